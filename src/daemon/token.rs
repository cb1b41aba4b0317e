//! Names for the descriptors the event loop waits on.

use super::gateway::Line;
use crate::node_state::MasterId;
use crate::pool::SlotId;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    Signals,
    Alarm,
    Ledger,
    /// A socket appeared in the runtime directory.
    Sockets,
    Askpass,
    Watch,
    /// A configuration that is being loaded, and what its loader says of it.
    Loader,
    /// A gateway's control channel.
    Control(Line),
    /// Somebody wants a gateway.
    Knock(Line),
    /// What a gateway prints.
    Told(Line),
    Frames(SlotId),
    Orders(SlotId),
    Printed(SlotId),
    Master(MasterId),
    Hook(u32),
}

/// The kind in the upper half, the number in the lower.
impl From<Token> for u64 {
    fn from(token: Token) -> u64 {
        let (kind, number) = match token {
            Token::Signals => (0, 0),
            Token::Alarm => (1, 0),
            Token::Ledger => (2, 0),
            Token::Sockets => (3, 0),
            Token::Askpass => (4, 0),
            Token::Watch => (5, 0),
            Token::Loader => (6, 0),
            Token::Frames(SlotId(n)) => (7, n),
            Token::Orders(SlotId(n)) => (8, n),
            Token::Printed(SlotId(n)) => (9, n),
            Token::Master(MasterId(n)) => (10, n),
            Token::Hook(n) => (11, n),
            Token::Control(line) => (12, line as u32),
            Token::Knock(line) => (13, line as u32),
            Token::Told(line) => (14, line as u32),
        };
        kind << 32 | u64::from(number)
    }
}

impl TryFrom<u64> for Token {
    type Error = u64;

    fn try_from(raw: u64) -> Result<Token, u64> {
        let number = raw as u32;
        Ok(match raw >> 32 {
            0 => Token::Signals,
            1 => Token::Alarm,
            2 => Token::Ledger,
            3 => Token::Sockets,
            4 => Token::Askpass,
            5 => Token::Watch,
            6 => Token::Loader,
            7 => Token::Frames(SlotId(number)),
            8 => Token::Orders(SlotId(number)),
            9 => Token::Printed(SlotId(number)),
            10 => Token::Master(MasterId(number)),
            11 => Token::Hook(number),
            12 => Token::Control(line(number).ok_or(raw)?),
            13 => Token::Knock(line(number).ok_or(raw)?),
            14 => Token::Told(line(number).ok_or(raw)?),
            _ => return Err(raw),
        })
    }
}

fn line(number: u32) -> Option<Line> {
    Line::ALL.into_iter().find(|line| *line as u32 == number)
}
