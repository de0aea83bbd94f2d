//! How many files a process has open.

use std::{
    fs,
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread::{self, JoinHandle},
    time::Duration,
};

const PAUSE: Duration = Duration::from_millis(5);

/// Looks at a process again and again until it is asked.
pub struct Descriptors {
    stop: Sender<()>,
    most: JoinHandle<usize>,
}

impl Descriptors {
    pub fn watch(process: u32) -> Descriptors {
        let (stop, stopped) = channel();
        let most = thread::spawn(move || {
            let mut most = 0;
            while stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                most = most.max(fs::read_dir(format!("/proc/{process}/fd")).unwrap().count());
            }
            most
        });
        Descriptors { stop, most }
    }

    /// The most that were open at once.
    pub fn most(self) -> usize {
        drop(self.stop);
        self.most.join().unwrap()
    }
}
