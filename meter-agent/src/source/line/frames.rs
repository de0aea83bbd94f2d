//! What a meter sends by itself, one after the other, found in the bytes of a line.

use std::{collections::VecDeque, fmt::Display};

use super::{super::sampler::NoSample, OpenLine};

/// Bytes that come without a frame among them before it is said.
pub(crate) const NOISE_BYTES: usize = 16 * 1_024;

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
}

impl<F: Framer> Frames<F> {
    /// Of a line that was just opened.
    pub(crate) fn of(line: OpenLine) -> Frames<F> {
        Frames { line, framer: F::default(), waiting: VecDeque::new(), noise: 0 }
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> Result<F::Frame, NoSample> {
        loop {
            while let Some(byte) = self.waiting.pop_front() {
                self.noise += 1;
                if let Some(frame) = self.framer.push(byte) {
                    self.noise = 0;
                    return frame.map_err(|damage| NoSample::Unusable(damage.to_string()));
                }
                if self.noise >= NOISE_BYTES {
                    self.noise = 0;
                    return Err(NoSample::Unusable(F::NOISE.into()));
                }
            }
            let mut buffer = [0; 1_024];
            let count = self.line.receive(&mut buffer).await?;
            self.waiting.extend(&buffer[..count]);
        }
    }
}
