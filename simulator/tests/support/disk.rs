//! A disk that can be full.

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Command, id},
};

/// A file system of its own, of a few megabytes.
pub(crate) struct Disk(pub(crate) PathBuf);

impl Disk {
    pub(crate) fn mount(at: PathBuf, megabytes: u64) -> Disk {
        fs::create_dir_all(&at).unwrap();
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&at).output().unwrap();
        let why = String::from_utf8_lossy(&mounted.stderr);
        assert!(mounted.status.success(), "expected to mount a file system, which takes root: {why}");
        Disk(at)
    }

    /// Has it have so many megabytes from now on.
    #[allow(dead_code, reason = "not every disk grows")]
    pub(crate) fn grow(&self, megabytes: u64) {
        let size = format!("remount,size={megabytes}m");
        assert!(Command::new("mount").args(["-o", &size]).arg(&self.0).status().unwrap().success());
    }

    /// Leaves no more than a few bytes, another number in each run.
    pub(crate) fn fill(&self) {
        let mut filling = fs::File::create(self.filling()).unwrap();
        let mut piece = 1 << 16;
        while piece > 0 {
            if filling.write_all(&vec![0; piece]).is_err() {
                piece /= 2;
            }
        }
        filling.set_len(filling.metadata().unwrap().len() - u64::from(id() % 3) * 4_096).unwrap();
    }

    pub(crate) fn make_room(&self) {
        fs::remove_file(self.filling()).unwrap();
    }

    fn filling(&self) -> PathBuf {
        self.0.join("filling")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
