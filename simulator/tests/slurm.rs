//! A sweep as a job array of a real SLURM, on this machine: two tasks cancelled, run again, merged.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use testkit::ports::free_port;

const PATIENCE: Duration = Duration::from_secs(120);
const SCENARIO: &str =
    "[community.drawn]\nhomes = 12\n[period]\ndays = 2\n[[strategies]]\nshare = 1\nstrategy = 'zi_c'\n";
const VARY: [&str; 6] =
    ["--vary", "market.mechanism=uniform,pay_as_bid", "--vary", "community.drawn.pv_share=0.25,0.75", "--seeds", "3"];

/// The three daemons of a cluster of one node, stopped when dropped.
struct Slurm {
    directory: PathBuf,
    daemons: Vec<Child>,
}

impl Drop for Slurm {
    fn drop(&mut self) {
        for daemon in self.daemons.iter_mut().rev() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

impl Slurm {
    fn start(directory: &Path) -> Slurm {
        let at = directory.display();
        // A key that only this cluster has; munged wants all of it to be its owner's.
        let key = directory.join("munge.key");
        fs::write(&key, [7; 128]).unwrap();
        let host = String::from_utf8(Command::new("hostname").arg("-s").output().unwrap().stdout).unwrap();
        let host = host.trim();
        let [controller, node] = [free_port(), free_port()];
        for name in ["state", "spool", "log"] {
            fs::create_dir(directory.join(name)).unwrap();
        }
        let config = format!(
            "ClusterName=voisin\nSlurmctldHost={host}(127.0.0.1)\nSlurmctldPort={controller}\nSlurmdPort={node}\n\
             SlurmUser=root\nAuthType=auth/munge\nAuthInfo=socket={at}/munge.socket\nCryptoType=crypto/munge\n\
             ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nJobAcctGatherType=jobacct_gather/none\n\
             SelectType=select/cons_tres\nSelectTypeParameters=CR_CPU\nReturnToService=2\nMpiDefault=none\n\
             StateSaveLocation={at}/state\nSlurmdSpoolDir={at}/spool\n\
             SlurmctldPidFile={at}/slurmctld.pid\nSlurmdPidFile={at}/slurmd.pid\n\
             NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN\n\
             PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n"
        );
        fs::write(directory.join("slurm.conf"), config).unwrap();
        for private in [&key, &directory.to_path_buf()] {
            let mode = if private.is_dir() { "0711" } else { "0400" };
            assert!(Command::new("chmod").arg(mode).arg(private).status().unwrap().success());
        }
        let mut slurm = Slurm { directory: directory.to_owned(), daemons: Vec::new() };
        slurm.daemon(
            "munged",
            &[
                "--foreground",
                "--force",
                &format!("--key-file={at}/munge.key"),
                &format!("--socket={at}/munge.socket"),
                &format!("--pid-file={at}/munge.pid"),
                &format!("--log-file={at}/log/munged"),
                &format!("--seed-file={at}/munge.seed"),
            ],
        );
        slurm.until("munged listens", |_| directory.join("munge.socket").exists());
        slurm.daemon("slurmctld", &["-D", "-c", "-f", &format!("{at}/slurm.conf")]);
        slurm.daemon("slurmd", &["-D", "-c", "-f", &format!("{at}/slurm.conf")]);
        slurm.until("the node is idle", |slurm| slurm.ask("sinfo", &["-h", "-o", "%t"]).trim() == "idle");
        slurm
    }

    fn daemon(&mut self, program: &str, arguments: &[&str]) {
        let log = fs::File::create(self.directory.join("log").join(format!("{program}.err"))).unwrap();
        let mut command = Command::new(Path::new("/usr/sbin").join(program));
        command.args(arguments).env("SLURM_CONF", self.directory.join("slurm.conf"));
        self.daemons.push(command.stdout(Stdio::null()).stderr(log).spawn().unwrap());
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).env("SLURM_CONF", self.directory.join("slurm.conf")).current_dir(&self.directory);
        command
    }

    /// What a client says; nothing where it fails.
    fn ask(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.command(program, arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn until(&mut self, what: &str, happened: impl Fn(&Slurm) -> bool) {
        let start = Instant::now();
        while !happened(self) {
            assert!(start.elapsed() < PATIENCE, "{what}: {}", self.logs());
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn logs(&self) -> String {
        let logs = fs::read_dir(self.directory.join("log")).unwrap().map(|entry| entry.unwrap().path());
        logs.map(|path| format!("{}:\n{}\n", path.display(), fs::read_to_string(&path).unwrap_or_default())).collect()
    }

    /// Submits a job, and returns its number.
    fn submit(&self, arguments: &[&str], script: &str) -> String {
        let all = [&["--parsable", "--output=/dev/null", "--wrap", script], arguments].concat();
        let output = self.command("sbatch", &all).output().unwrap();
        assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stderr), self.logs());
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

fn simulator(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_simulator")).current_dir(directory).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "needs root and SLURM: .ci/run installs it"]
fn an_array_of_jobs_that_lost_two_tasks_comes_to_the_same_bytes_as_the_sweep_here() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    fs::write(at.join("street.toml"), SCENARIO).unwrap();
    simulator(at, &[&["sweep", "street.toml"], &VARY[..], &["--out", "here"]].concat());
    simulator(at, &[&["sweep", "street.toml"], &VARY[..], &["--plan", "there"]].concat());

    let mut slurm = Slurm::start(at);
    let task = format!("{} sweep --plan there --task $SLURM_ARRAY_TASK_ID", env!("CARGO_BIN_EXE_simulator"));
    // Held until two of them are cancelled, as by a node that was lost.
    let array = slurm.submit(&["--array=0-11", "--hold"], &task);
    for lost in ["3", "7"] {
        assert!(slurm.command("scancel", &[&format!("{array}_{lost}")]).status().unwrap().success());
    }
    assert!(slurm.command("scontrol", &["release", &array]).status().unwrap().success());
    slurm.until("the array ends", |slurm| slurm.ask("squeue", &["-h"]).trim().is_empty());
    let missing = simulator(at, &["sweep", "--plan", "there", "--missing"]);
    assert_eq!(missing, "3,7\n", "{}", slurm.logs());

    let again = slurm.submit(&[&format!("--array={}", missing.trim())], &task);
    let merge = format!("{} sweep --plan there --merge", env!("CARGO_BIN_EXE_simulator"));
    slurm.submit(&[&format!("--dependency=afterok:{again}")], &merge);
    slurm.until("the merge ends", |slurm| slurm.ask("squeue", &["-h"]).trim().is_empty());
    for table in ["sweep.csv", "means.csv", "sweep.html"] {
        let [here, there] = ["here", "there"].map(|run| fs::read_to_string(at.join(run).join(table)));
        assert_eq!(here.unwrap(), there.unwrap_or_else(|error| panic!("{table}: {error}\n{}", slurm.logs())));
    }
}
