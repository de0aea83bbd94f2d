//! Turns: something that passes from number to number, so that what must happen in order does, whoever does it.

use std::sync::{Condvar, Mutex, PoisonError};

/// Something that is whoever's turn it is.
#[derive(Debug)]
pub(crate) struct Turns<T> {
    /// Whose turn it is, and the thing, unless it is taken. It is gone for good once somebody failed.
    state: Mutex<Turn<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Turn<T> {
    next: usize,
    thing: Option<T>,
    broken: bool,
}

impl<T> Turns<T> {
    /// It is the turn of number 0.
    pub(crate) fn new(thing: T) -> Turns<T> {
        Turns { state: Mutex::new(Turn { next: 0, thing: Some(thing), broken: false }), changed: Condvar::new() }
    }

    /// Waits for the turn of `number`, and takes the thing; none where somebody before failed.
    pub(crate) fn take(&self, number: usize) -> Option<T> {
        // Whoever panicked had the thing, or had not touched it.
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = |turn: &mut Turn<T>| !turn.broken && (turn.next != number || turn.thing.is_none());
        let mut state = self.changed.wait_while(state, waiting).unwrap_or_else(PoisonError::into_inner);
        if state.broken { None } else { state.thing.take() }
    }

    /// Gives it to the next number.
    pub(crate) fn give(&self, thing: T) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.thing = Some(thing);
        state.next += 1;
        self.changed.notify_all();
    }

    /// Promises to take all turns that are one's own. Whoever breaks the promise lets nobody wait for him.
    pub(crate) fn stays(&self) -> Stays<'_, T> {
        Stays { turns: Some(self) }
    }

    /// The thing, once all are through.
    pub(crate) fn into_inner(self) -> Option<T> {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).thing
    }
}

/// A promise to take all turns that are one's own.
#[derive(Debug)]
pub(crate) struct Stays<'a, T> {
    turns: Option<&'a Turns<T>>,
}

impl<T> Stays<'_, T> {
    /// There are no more turns to take.
    pub(crate) fn done(mut self) {
        self.turns = None;
    }
}

impl<T> Drop for Stays<'_, T> {
    fn drop(&mut self) {
        if let Some(turns) = self.turns {
            turns.state.lock().unwrap_or_else(PoisonError::into_inner).broken = true;
            turns.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use super::*;

    #[test]
    fn each_gets_it_in_turn_whoever_comes_first() {
        let turns = Turns::new(Vec::new());
        thread::scope(|scope| {
            for number in (0..20).rev() {
                let turns = &turns;
                scope.spawn(move || {
                    let mut taken = turns.take(number).unwrap();
                    taken.push(number);
                    turns.give(taken);
                });
            }
        });
        assert_eq!(turns.into_inner(), Some((0..20).collect()));
    }

    #[test]
    fn nobody_waits_for_someone_who_left() {
        let turns = Turns::new(());
        thread::scope(|scope| {
            let waiting = scope.spawn(|| turns.take(1));
            let leaving = turns.stays();
            thread::sleep(Duration::from_millis(20));
            drop(leaving);
            assert_eq!(waiting.join().unwrap(), None);
        });
        assert_eq!(turns.take(0), None, "also whose turn it is");
    }
}
