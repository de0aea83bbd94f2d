//! What a meter sends by itself, one after the other, found in the bytes of a line.

use std::{collections::VecDeque, fmt::Display, time::Duration};

use tokio::time::{Instant, timeout_at};

use super::{super::sampler::NoSample, OpenLine};

/// Bytes that come without a frame among them before it is said, and for how long they may come. That is less than what
/// a sample is waited for: a meter that sends little is not silent because its bytes are not understood.
pub(crate) const NOISE_BYTES: usize = 16 * 1_024;
const NOISE: Duration = Duration::from_secs(20);

/// Finds in a stream of bytes what one type of meter sends. Pure.
pub(crate) trait Framer: Default + Send {
    /// What the meter sends: a telegram, a transmission.
    type Frame: Send;
    /// Why one is not used.
    type Damage: Display;
    /// What to do where bytes come, but no frame among them.
    const NOISE: &'static str;

    /// Takes a byte. With the last one of a frame it gives the frame, or what is wrong with it.
    fn push(&mut self, byte: u8) -> Option<Result<Self::Frame, Self::Damage>>;
}

/// A line, and the frames that come on it.
pub(crate) struct Frames<F> {
    line: OpenLine,
    framer: F,
    /// Received, and not looked at yet.
    waiting: VecDeque<u8>,
    /// Bytes since the last frame.
    noise: usize,
    /// How long they may come, and since when they do.
    patience: Duration,
    since: Option<Instant>,
}

impl<F: Framer> Frames<F> {
    /// Of a line that was just opened.
    pub(crate) fn of(line: OpenLine) -> Frames<F> {
        Frames { line, framer: F::default(), waiting: VecDeque::new(), noise: 0, patience: NOISE, since: None }
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> Result<F::Frame, NoSample> {
        loop {
            while let Some(byte) = self.waiting.pop_front() {
                self.noise += 1;
                if let Some(frame) = self.framer.push(byte) {
                    self.begin_anew();
                    return frame.map_err(|damage| NoSample::Unusable(damage.to_string()));
                }
                if self.noise >= NOISE_BYTES {
                    return Err(self.only_noise());
                }
            }
            let mut buffer = [0; 1_024];
            let receiving = self.line.receive(&mut buffer);
            let received = match self.since {
                Some(since) => timeout_at(since + self.patience, receiving).await,
                None => Ok(receiving.await),
            };
            let Ok(count) = received else { return Err(self.only_noise()) };
            self.waiting.extend(&buffer[..count?]);
            self.since.get_or_insert_with(Instant::now);
        }
    }

    fn only_noise(&mut self) -> NoSample {
        self.begin_anew();
        NoSample::Unusable(F::NOISE.into())
    }

    fn begin_anew(&mut self) {
        (self.noise, self.since) = (0, None);
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::AsyncWriteExt,
        net::{TcpListener, TcpStream},
    };

    use super::*;

    /// A frame is a digit; x is a broken one.
    #[derive(Default)]
    struct Digits;

    impl Framer for Digits {
        type Frame = u8;
        type Damage = &'static str;
        const NOISE: &'static str = "noise";

        fn push(&mut self, byte: u8) -> Option<Result<u8, &'static str>> {
            match byte {
                b'0'..=b'9' => Some(Ok(byte - b'0')),
                b'x' => Some(Err("broken")),
                _ => None,
            }
        }
    }

    /// Frames that wait so long for sense in what comes, and the other end of their line.
    async fn frames(patience: Duration) -> (Frames<Digits>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (other, _) = listener.accept().await.unwrap();
        (Frames { patience, ..Frames::of(OpenLine::Tcp(stream)) }, other)
    }

    fn unusable(problem: &str) -> Result<u8, NoSample> {
        Err(NoSample::Unusable(problem.into()))
    }

    #[tokio::test]
    async fn frames_come_in_their_order_whatever_is_between_them() {
        let (mut frames, mut other) = frames(Duration::from_secs(3_600)).await;
        other.write_all(b"ab1c2x3").await.unwrap();
        for expected in [Ok(1), Ok(2), unusable("broken"), Ok(3)] {
            assert_eq!(frames.next().await, expected);
        }
        other.write_all(&vec![b'-'; NOISE_BYTES + 10]).await.unwrap();
        assert_eq!(frames.next().await, unusable("noise"), "much of it");
        other.write_all(b"4").await.unwrap();
        assert_eq!(frames.next().await, Ok(4));
        drop(other);
        assert!(matches!(frames.next().await, Err(NoSample::Lost(_))));
    }

    #[tokio::test]
    async fn a_few_bytes_that_make_no_sense_for_long_are_noise_and_not_silence() {
        let (mut frames, mut other) = frames(Duration::ZERO).await;
        other.write_all(b"---").await.unwrap();
        assert_eq!(frames.next().await, unusable("noise"));
        other.write_all(b"5").await.unwrap();
        assert_eq!(frames.next().await, Ok(5));
    }
}
