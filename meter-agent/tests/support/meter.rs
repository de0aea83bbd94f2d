//! A meter that speaks by itself, played by the test.

use std::{
    io::Write,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// A file beside the tests.
pub(crate) fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

/// A box that sends what `frame` makes of a count, again and again, to everyone who connects.
pub(crate) fn serve(pause: Duration, frame: impl Fn(u64) -> Vec<u8> + Send + Sync + Copy + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let send = move |mut stream: TcpStream| {
        for count in 0.. {
            if stream.write_all(&frame(count)).is_err() {
                return;
            }
            thread::sleep(pause);
        }
    };
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || send(stream.unwrap()));
        }
    });
    address
}
