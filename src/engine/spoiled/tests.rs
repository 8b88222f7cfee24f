//! Which shares of bad records halt a source.

use super::Records;

#[test]
fn a_fifth_of_the_last_hundred_is_too_many_and_less_is_not() {
    let table: [(&[(usize, usize)], bool); 8] = [
        (&[(9_999, 1)], false),
        (&[(979, 21)], false),
        (&[(0, 20)], false),
        (&[(0, 21)], true),
        (&[(100, 0), (0, 20)], false),
        (&[(100, 0), (0, 30)], true),
        (&[(700, 300)], true),
        (&[(50, 10), (50, 10), (50, 10)], false),
    ];
    for (read, expected) in table {
        let mut records = Records::default();
        let spoiled = read.iter().any(|(good, bad)| records.are_spoiled_by(*good, *bad));
        assert_eq!(spoiled, expected, "{read:?}");
    }
}
