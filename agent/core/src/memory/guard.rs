//! What is done when memory runs short while a model is loaded or works: the load is broken off, then an idle model
//! goes, then nothing more is let in. It measures nothing.

use std::fmt::{self, Display, Formatter};

use crate::bytes::Bytes;

/// All tasks waited for memory for so many hundredths of a percent of the last ten seconds: a machine in which that
/// happens re-reads what it has just dropped, and people feel it.
const STALLED: u32 = 500;
/// Of what a plan keeps free, so much must be there: less was taken by somebody who did not ask.
const FLOOR: u64 = 4;
/// A load that is being broken off gives its memory back within so many milliseconds; only then does an idle model go.
const LOADS_FIRST: u64 = 2_000;

/// What one look at the machine shows.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Look {
    /// How long all tasks waited for memory in the last ten seconds, in hundredths of a percent.
    pub stalled: u32,
    /// What could be taken now.
    pub available: Bytes,
    /// What a plan keeps free.
    pub headroom: Bytes,
}

/// Why memory is short.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Alarm {
    /// Tasks wait for it, in hundredths of a percent of the last ten seconds.
    Stalled(u32),
    /// Less is available than what must stay free.
    Short {
        /// What is available.
        available: Bytes,
        /// What must be.
        floor: Bytes,
    },
}

/// What a worker does while memory is short.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Doing {
    /// It loads its model.
    Loading,
    /// It answers.
    Answering,
    /// Nobody asks it anything.
    Idle,
}

/// What is to be done with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Order {
    /// Nothing.
    GoOn,
    /// It goes on, and people are told.
    Warn(Alarm),
    /// It ends, and its memory comes back.
    End(Alarm),
}

impl Look {
    /// Returns why memory is short, if it is. While it is, nothing is loaded.
    #[must_use]
    pub fn alarm(&self) -> Option<Alarm> {
        let floor = Bytes(self.headroom.0 / FLOOR);
        if self.available < floor {
            return Some(Alarm::Short { available: self.available, floor });
        }
        (self.stalled > STALLED).then_some(Alarm::Stalled(self.stalled))
    }

    /// Returns what is to be done with a worker, where memory has been short for `millis`, this look included.
    #[must_use]
    pub fn order(&self, doing: Doing, millis: u64) -> Order {
        let Some(alarm) = self.alarm() else { return Order::GoOn };
        match doing {
            Doing::Loading => Order::End(alarm),
            Doing::Idle if millis >= LOADS_FIRST => Order::End(alarm),
            // What answers has its memory already: to end it would lose work, and the kernel ends it first anyway
            // if it comes to that.
            Doing::Idle | Doing::Answering => Order::Warn(alarm),
        }
    }
}

impl Display for Alarm {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stalled(part) => write!(
                f,
                "memory is short: everything waited for it {}.{:02} % of the last 10 s",
                part / 100,
                part % 100
            ),
            Self::Short { available, floor } => {
                write!(f, "memory is short: {available} are available, {floor} is the least")
            }
        }
    }
}
