//! Sizes as an admin writes them, and when there is too little left.

use super::{FreeMin, Room};

#[test]
fn free_space_is_a_part_of_the_disk_or_a_size() {
    let table = [
        ("5%", Some(5_000_000)),
        ("0%", Some(0)),
        ("500MB", Some(500_000_000)),
        ("2 GB", Some(2_000_000_000)),
        ("100%", None),
        ("5", None),
        ("-1%", None),
        ("99999999999999999999GB", None),
        ("", None),
    ];
    for (text, expected) in table {
        let read = FreeMin::try_from(text.to_owned()).ok().map(|least| least.of(100_000_000));
        assert_eq!(read, expected, "{text}");
    }
}

#[test]
fn of_a_large_disk_no_large_part_is_kept_free() {
    assert_eq!(FreeMin::Percent(5).of(10_000_000_000_000), 2_000_000_000);
}

#[test]
fn a_shortage_says_how_much_is_left_and_what_to_do() {
    let room = |free_bytes, full| Room { free_bytes, least_bytes: 50_000_000, full };
    assert_eq!(room(50_000_000, false).shortage(), None);
    assert!(room(49_000_000, false).shortage().is_some_and(|why| why.contains("49 MB free, 50 MB wanted")));
    assert!(room(90_000_000, true).shortage().is_some_and(|why| why.contains("make room")));
}
