use std::{fs, path::PathBuf};

use protocol::{envelope::ChainId, genesis::Genesis};
use tempfile::TempDir;

use super::{BackupError, GENESIS_FILE, Kept, MANIFEST_FILE, make, manifest::FORMAT, restore};

/// A program's directory, with a state of two parts, one of which has files below files.
struct Disk {
    directory: TempDir,
}

impl Disk {
    fn new() -> Disk {
        let disk = Disk { directory: tempfile::tempdir().unwrap() };
        fs::create_dir_all(disk.path("state/store/blobs")).unwrap();
        for (name, content) in [("store/db", "the database"), ("store/blobs/7", "a blob"), ("mark", "")] {
            fs::write(disk.path("state").join(name), content).unwrap();
        }
        let vector: serde_json::Value =
            serde_json::from_str(include_str!("../../../protocol/vectors/genesis.json")).unwrap();
        fs::write(disk.path(GENESIS_FILE), vector["genesis"].to_string()).unwrap();
        disk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn kept(&self) -> Kept {
        let part = |name: &'static str| (name, self.path("state").join(name));
        Kept {
            program: "ledger",
            genesis: self.path(GENESIS_FILE),
            parts: vec![part("mark"), part("store")],
            lock: self.path("state/store/db"),
        }
    }

    fn chain(&self) -> ChainId {
        Genesis::from_json(&fs::read(self.path(GENESIS_FILE)).unwrap()).unwrap().chain()
    }

    fn backed_up() -> (Disk, PathBuf) {
        let disk = Disk::new();
        let backup = disk.path("backup");
        make(&disk.kept(), disk.chain(), "1.2.3", &backup).unwrap();
        (disk, backup)
    }

    fn lose(&self) {
        fs::remove_dir_all(self.path("state")).unwrap();
    }

    /// A restore that says why not, and writes nothing.
    fn refuses(&self, expected: &str) -> BackupError {
        let error = restore(&self.path("backup"), &self.kept(), Some(self.chain())).unwrap_err();
        let said = error.to_string();
        assert!(said.contains(expected) && said.lines().count() == 1, "expected {expected:?}, found {said}");
        assert!(!self.path("state").exists(), "something was written");
        error
    }
}

#[test]
fn what_was_lost_comes_back_byte_by_byte_and_the_genesis_where_there_is_none() {
    let (disk, backup) = Disk::backed_up();
    let chain = disk.chain();
    disk.lose();
    let genesis = fs::read(disk.path(GENESIS_FILE)).unwrap();
    fs::remove_file(disk.path(GENESIS_FILE)).unwrap();
    let restored = restore(&backup, &disk.kept(), None).unwrap();
    assert_eq!((restored.files.len(), restored.chain), (4, chain));
    assert_eq!(fs::read_to_string(disk.path("state/store/db")).unwrap(), "the database");
    assert_eq!(fs::read_to_string(disk.path("state/store/blobs/7")).unwrap(), "a blob");
    assert_eq!(fs::read_to_string(disk.path("state/mark")).unwrap(), "");
    assert_eq!(fs::read(disk.path(GENESIS_FILE)).unwrap(), genesis);
    let names = |of: &str| fs::read_dir(disk.path(of)).unwrap().count();
    assert_eq!((names("state"), names("state/store")), (2, 2), "nothing else is left");
}

#[cfg(unix)]
#[test]
fn a_backup_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (_disk, backup) = Disk::backed_up();
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(backup.clone()), mode(backup.join("store/db")), mode(backup.join(MANIFEST_FILE))),
        (0o700, 0o600, 0o600)
    );
}

#[test]
fn every_changed_byte_and_every_missing_file_is_refused_by_name_and_nothing_is_written() {
    for name in ["store/db", "store/blobs/7", "mark", GENESIS_FILE] {
        let (disk, backup) = Disk::backed_up();
        disk.lose();
        let file = backup.join(name);
        let content = fs::read(&file).unwrap();
        let mut changed = content.clone();
        match changed.first_mut() {
            Some(byte) => *byte ^= 1,
            None => changed.push(0),
        }
        fs::write(&file, changed).unwrap();
        let error = disk.refuses(&format!("{}: damaged: expected ", file.display()));
        assert!(matches!(error, BackupError::Damaged { .. }), "{error}");
        fs::remove_file(&file).unwrap();
        disk.refuses(&format!("{}: damaged: ", file.display()));
        fs::write(&file, content).unwrap();
        restore(&backup, &disk.kept(), Some(disk.chain())).unwrap();
    }
}

#[test]
fn a_list_that_is_none_or_leads_elsewhere_is_refused() {
    let (disk, backup) = Disk::backed_up();
    disk.lose();
    let list = backup.join(MANIFEST_FILE);
    let good = fs::read_to_string(&list).unwrap();
    let chain = format!("\"chain\": \"{}\"", disk.chain());
    let other = format!("\"chain\": \"{}\"", "0".repeat(64));
    let later = format!("\"format\": {}, \"something\": 1", FORMAT + 1);
    for (from, to, expected) in [
        ("\"store/db\"", "\"store/../../db\"", "is no file of `ledger`"),
        ("\"store/db\"", "\"/etc/passwd\"", "is no file of `ledger`"),
        ("\"store/db\"", "\"validator.key\"", "is no file of `ledger`"),
        ("\"store/db\"", "\"store//db\"", "is no file of `ledger`"),
        ("\"store/db\"", "\"mark\"", "in the order of their names"),
        ("\"genesis.json\"", "\"mark\"", "in the order of their names"),
        ("\"format\": 1", "\"format\": 1, \"something\": 1", "unknown field `something`"),
        (
            "\"format\": 1",
            &later,
            "expected a backup of format 1 at most, found format 2, which version 1.2.3 has made",
        ),
        ("\"ledger\"", "\"market\"", "expected a backup of `ledger`, found one of `market`"),
        (&chain, &other, "which the genesis starts, found one of 000"),
        ("{", "[", "expected the list of a backup's files"),
    ] {
        assert!(good.contains(from), "{from}");
        fs::write(&list, good.replacen(from, to, 1)).unwrap();
        disk.refuses(expected);
    }
    fs::remove_file(&list).unwrap();
    disk.refuses("expected a backup, with its list of files `backup.json`");
}

#[test]
fn a_genesis_of_another_chain_than_the_list_says_is_damaged() {
    let (disk, backup) = Disk::backed_up();
    disk.lose();
    let list = backup.join(MANIFEST_FILE);
    let text = fs::read_to_string(&list).unwrap();
    fs::write(&list, text.replace(&disk.chain().to_string(), &"1".repeat(64))).unwrap();
    let error = restore(&backup, &disk.kept(), None).unwrap_err();
    assert!(error.to_string().contains("expected the genesis of the chain 111"), "{error}");
    assert!(!disk.path("state").exists());
}

#[test]
fn nothing_is_restored_over_what_is_there_and_nothing_backed_up_over_it() {
    let (disk, backup) = Disk::backed_up();
    for part in ["state/store", "state/mark"] {
        disk.lose();
        fs::create_dir_all(disk.path(part)).unwrap();
        let error = restore(&backup, &disk.kept(), Some(disk.chain())).unwrap_err();
        assert!(matches!(&error, BackupError::Exists { path, .. } if *path == disk.path(part)), "{error}");
        assert_eq!(fs::read_dir(disk.path(part)).unwrap().count(), 0);
    }
    let error = make(&disk.kept(), disk.chain(), "1.2.3", &backup).unwrap_err();
    assert!(matches!(error, BackupError::Exists { .. }), "{error}");
}

#[test]
fn what_runs_or_has_never_run_is_not_backed_up() {
    let disk = Disk::new();
    let to = disk.path("backup");
    let refused = || make(&disk.kept(), disk.chain(), "1.2.3", &to).unwrap_err();
    let lock = fs::File::open(disk.path("state/store/db")).unwrap();
    lock.lock().unwrap();
    assert!(matches!(refused(), BackupError::InUse(_)));
    drop(lock);
    std::os::unix::fs::symlink("/etc/passwd", disk.path("state/store/link")).unwrap();
    assert!(matches!(refused(), BackupError::NeitherFileNorDirectory(_)));
    disk.lose();
    assert!(matches!(refused(), BackupError::NoState(_)));
    assert_eq!(fs::read_dir(disk.directory.path()).unwrap().count(), 1, "nothing is left of it but the genesis");
}
