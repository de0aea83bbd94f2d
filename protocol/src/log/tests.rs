use std::ops::Range;

use super::*;
use crate::merkle::MerkleTree;

/// The nodes of a log by what `append` says of them.
#[derive(Default)]
struct Kept(Vec<Vec<Hash>>);

impl Kept {
    fn log(&self) -> Log<impl Fn(u8, u64) -> Result<Hash, String> + '_> {
        let read = |level: u8, place: u64| {
            let with = ((place + 1) << level) - 1;
            self.0
                .get(with as usize)
                .and_then(|nodes| nodes.get(usize::from(level)))
                .copied()
                .ok_or("no node".to_owned())
        };
        Log::new(self.0.len() as u64, read)
    }

    fn of(leaves: u64) -> Kept {
        let mut kept = Kept::default();
        for leaf in 0..leaves {
            let nodes = kept.log().append(leaf_hash(&leaf.to_be_bytes())).unwrap();
            assert_eq!(nodes.len(), 1 + (leaf + 1).trailing_zeros() as usize);
            kept.0.push(nodes);
        }
        kept
    }
}

#[test]
fn a_log_that_grew_leaf_by_leaf_is_the_tree_over_all_of_them() {
    for leaves in (0..20).chain([255, 256, 257]) {
        let kept = Kept::of(leaves);
        let tree: MerkleTree = (0..leaves).map(|leaf| leaf.to_be_bytes()).collect();
        let (log, root) = (kept.log(), tree.root());
        assert_eq!(log.root(), Ok(root));
        for height in 1..=leaves {
            let proof = log.prove(height).unwrap().unwrap();
            assert!(proof.proves(&(height - 1).to_be_bytes(), &root));
        }
        assert_eq!([log.prove(0), log.prove(leaves + 1)], [Ok(None), Ok(None)]);
    }
}

#[test]
fn growth_is_proved_and_a_fork_or_a_shorter_log_is_none() {
    let kept = Kept::of(20);
    let root_of = |size: u64| Log::new(size, kept.log().read).root().unwrap();
    let new = root_of(20);
    for size in 0..=20 {
        let proof = kept.log().prove_growth(size).unwrap().unwrap();
        let old = root_of(size);
        assert!(grows(&old, &new, &proof), "{size}");
        let fork = MerkleRoot { hash: Hash::of(b"another history"), ..old };
        assert!(!grows(&fork, &new, &proof), "{size}");
        assert!(!grows(&new, &old, &proof) || size == 20, "it shrinks");
        assert!(!grows(&old, &new, &[proof.clone(), vec![Hash::ZERO]].concat()), "{size}");
        assert!(size == 0 || size == 20 || !grows(&old, &new, &proof[1..]), "{size}");
    }
    assert_eq!(kept.log().prove_growth(21), Ok(None));
    assert!(!grows(&root_of(3), &new, &[Hash::ZERO; LOG_PATH_MAX + 1]));
    let huge = MerkleRoot { leaves: u64::MAX, hash: Hash::ZERO };
    assert!((0..70).all(|path| !grows(&root_of(7), &huge, &vec![Hash::ZERO; path])));
}

#[test]
fn a_node_that_cannot_be_read_is_the_readers_error() {
    let log = Log::new(7, |_, _| Err::<Hash, _>("the disk"));
    assert_eq!(log.root(), Err("the disk"));
    assert_eq!(log.append(Hash::ZERO), Err("the disk"));
    assert_eq!(log.prove(3), Err("the disk"));
    assert_eq!(log.prove_growth(3), Err("the disk"));
    assert_eq!(log.tile(&"0/000.p/7".parse().unwrap()), Err("the disk"));
}

#[test]
fn tiles_have_the_hashes_of_their_level() {
    let kept = Kept::of(600);
    let log = kept.log();
    let tile = |path: &str| log.tile(&path.parse().unwrap()).unwrap();
    let leaves =
        |range: Range<u64>| range.flat_map(|leaf| *leaf_hash(&leaf.to_be_bytes()).as_bytes()).collect::<Vec<_>>();
    assert_eq!(tile("0/000"), Some(leaves(0..256)));
    assert_eq!(tile("0/002.p/88"), Some(leaves(512..600)));
    assert_eq!(tile("0/002.p/3"), Some(leaves(512..515)));
    assert_eq!(tile("1/000.p/2").map(|hashes| hashes.len()), Some(64));
    let first = Log::new(256, |level, place| (log.read)(level, place)).root().unwrap();
    assert_eq!(tile("1/000.p/1"), Some(first.hash.as_bytes().to_vec()));
    for missing in ["0/002", "0/002.p/89", "1/000", "1/000.p/3", "2/000.p/1", "7/000.p/1", "0/x999/x999/x999/999"] {
        assert_eq!(tile(missing), None, "{missing}");
    }
    let entries: Tile = "entries/000.p/5".parse().unwrap();
    assert_eq!((entries.has_entries(), entries.places(5), entries.places(4)), (true, Some(0..5), None));
    for wrong in [
        "",
        "0",
        "0/",
        "0/0",
        "0/00",
        "0/0000",
        "8/000",
        "-1/000",
        "64/000",
        "256/000",
        "0/000.p/0",
        "0/000.p/00",
        "0/000.p/256",
        "0/000.p/1000",
        "0/000.p/",
        "0/x000/000",
        "0/001/000",
        "00/000",
        "data/000",
        "0/000/",
        "0//000",
        "0/000.p/1.p/1",
        "../0/000",
        "0/x184/x467/x440/x737/x095/x516/x160",
        &"0/".repeat(40),
    ] {
        assert!(wrong.parse::<Tile>().is_err(), "{wrong}");
    }
}

#[test]
fn an_empty_log_has_the_root_of_nothing() {
    let log = Log::new(0, |_, _| Err::<Hash, _>("nothing is read of it"));
    assert_eq!(log.root(), Ok(MerkleTree::default().root()));
}
