//! Tiles (C2SP tlog-tiles): 256 hashes of one level of a log, or 256 entries, as files that never change.

use std::{ops::Range, str::FromStr};

use tlog_tiles::tile;

use crate::{limits::TILE_PATH_BYTES_MAX, text::ParseError};

/// A tile has eight levels of the tree; its lowest are its content.
const LEVELS: u8 = 8;
const WIDTH: u32 = 1 << LEVELS;
/// Tiles of level 8 would be above 2⁶⁴ leaves.
const LEVEL_MAX: u8 = 7;
const EXPECTED: &str = "a tile LEVEL/INDEX[.p/WIDTH] or entries/INDEX[.p/WIDTH], such as 0/000 or entries/x001/234.p/5";

/// A tile by its path: `0/000`, `1/x001/234.p/56`, `entries/000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile(tile::Tile);

impl Tile {
    /// Whether it has entries, each after its length in two bytes, and not hashes.
    pub fn has_entries(&self) -> bool {
        self.0.is_data()
    }

    /// The level of its hashes, from 0 for leaves.
    pub fn height(&self) -> u8 {
        LEVELS * self.0.level()
    }

    /// The places of its hashes on that level, or of its entries; `None` if a log of this size has not all of them.
    pub fn places(&self, size: u64) -> Option<Range<u64>> {
        let start = self.0.level_index().checked_mul(u64::from(WIDTH))?;
        let end = start.checked_add(u64::from(self.0.width()))?;
        (end <= size >> self.height()).then_some(start..end)
    }
}

impl FromStr for Tile {
    type Err = ParseError;

    fn from_str(path: &str) -> Result<Tile, ParseError> {
        let read = || {
            let (level, rest) = path.split_once('/').filter(|_| path.len() <= TILE_PATH_BYTES_MAX)?;
            // The library takes levels and widths that it then panics at.
            let level = match level {
                "entries" => "data",
                level => level.parse::<u8>().ok().filter(|level| *level <= LEVEL_MAX).map(|_| level)?,
            };
            if let Some((_, width)) = rest.split_once(".p/") {
                width.parse().ok().filter(|width| (1..WIDTH).contains(width))?;
            }
            tile::Tile::from_path(&format!("tile/{LEVELS}/{level}/{rest}")).ok().map(Tile)
        };
        read().ok_or_else(|| ParseError::new(EXPECTED, path))
    }
}
