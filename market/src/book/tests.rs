//! Books that are cleared, and books that are refused with one clear line.

use super::*;

fn cleared(json: &str) -> String {
    serde_json::to_string(&clear_json(json.as_bytes(), "uniform").unwrap()).unwrap()
}

fn refusal(json: &str) -> BookError {
    clear_json(json.as_bytes(), "uniform").unwrap_err()
}

#[test]
fn the_answer_has_exactly_the_promised_form() {
    let book = r#"{
        "bids": [{"id": "b1", "price": "0.300000", "quantity": 1000}, {"id": "b2", "price": "0.10", "quantity": 5}],
        "offers": [{"id": "o1", "price": "0.08", "quantity": 400, "bus": "north"}]
    }"#;
    assert_eq!(
        cleared(book),
        r#"{"mechanism":"uniform","quantity":400,"price":"0.3","price_interval":["0.3","0.3"],"surplus":"0.088","#
            .to_owned()
            + r#""fills":{"b1":400,"b2":0,"o1":400},"trades":[{"bid":"b1","offer":"o1","quantity":400,"price":"0.3"}]}"#
    );
    assert_eq!(
        cleared(r#"{"bids":[],"offers":[]}"#),
        r#"{"mechanism":"uniform","quantity":0,"price":null,"price_interval":null,"surplus":"0","fills":{},"trades":[]}"#
    );
}

#[test]
fn nothing_and_negative_prices_are_orders_like_others() {
    let answer = clear_json(
        br#"{"bids":[{"id":"b","price":"-0.01","quantity":10},{"id":"none","price":"1000","quantity":0}],
             "offers":[{"id":"o","price":"-0.050001","quantity":10}]}"#,
        "uniform",
    )
    .unwrap();
    assert_eq!((answer.quantity, answer.fills["none"]), (10, Energy::ZERO));
    assert_eq!(answer.price, "-0.030001".parse().ok(), "the midpoint, rounded down");
    assert_eq!(answer.surplus.to_string(), "0.00040001");
}

#[test]
fn orders_of_one_bus_are_paired_first() {
    let answer = clear_json(
        br#"{"bids":[{"id":"b1","price":"0.3","quantity":1,"bus":"north"},{"id":"b2","price":"0.3","quantity":1},
                     {"id":"b3","price":"0.3","quantity":1,"bus":"south"}],
             "offers":[{"id":"o1","price":"0.1","quantity":1,"bus":"south"},{"id":"o2","price":"0.1","quantity":1},
                     {"id":"o3","price":"0.1","quantity":1,"bus":"north"}]}"#,
        "uniform",
    )
    .unwrap();
    let mut pairs: Vec<_> = answer.trades.iter().map(|trade| (trade.bid.as_str(), trade.offer.as_str())).collect();
    pairs.sort_unstable();
    assert_eq!(pairs, [("b1", "o3"), ("b2", "o2"), ("b3", "o1")]);
}

#[test]
fn on_a_grid_every_order_names_a_bus_of_it() {
    let book = |bus: &str| format!(r#"{{"bids":[{{"id":"b","price":"1","quantity":1{bus}}}],"offers":[]}}"#);
    let plan =
        protocol::genesis::GridPlan { transformer: "T".into(), transformer_va: 1, root: "r".into(), lines: vec![] };
    let grid = Grid::from_plan(&plan).unwrap();
    let clear = |bus: &str| clear_json_on(book(bus).as_bytes(), "uniform", Some(&grid), &Terms::default());
    assert_eq!(clear(r#","bus":"r""#).unwrap().quantity, 0);
    let problem =
        |error| BookError::Order { side: Side::Bid, order: "\"b\"".into(), problem: OrderProblem::Bus(error) };
    assert_eq!(clear("").unwrap_err(), problem(GridError::MissingBus));
    assert_eq!(clear(r#","bus":"x""#).unwrap_err(), problem(GridError::UnknownBus { bus: "x".into() }));
}

/// An offer with these fields.
fn offer(fields: &str) -> String {
    format!(r#"{{"bids":[],"offers":[{{{fields}}}]}}"#)
}

#[test]
fn a_bad_order_is_refused_by_its_id_and_field() {
    use OrderProblem::*;
    let not_text = |field, example, found: &str| NotText { field, example, found: found.into() };
    let example = " such as \"0.125\"";
    let cases = [
        (r#""price":"1","quantity":1"#, "#1", MissingField("id")),
        (r#""id":"o","quantity":1"#, "\"o\"", MissingField("price")),
        (r#""id":"o","price":"1""#, "\"o\"", MissingField("quantity")),
        (r#""id":"o","price":"1","quantity":1,"price":"2""#, "\"o\"", DuplicateField("price".into())),
        (r#""id":"o","price":"1","quantity":1,"colour":[]"#, "\"o\"", UnknownField("colour".into())),
        (r#""colour":"red""#, "#1", UnknownField("colour".into())),
        (r#""id":7,"price":"1","quantity":1"#, "#1", not_text("id", "", "the number 7")),
        (r#""id":"","price":"1","quantity":1"#, "#1", EmptyId),
        (r#""id":"o","price":0.25,"quantity":1"#, "\"o\"", not_text("price", example, "the number 0.25")),
        (r#""id":"o","price":1,"quantity":1"#, "\"o\"", not_text("price", example, "the number 1")),
        (r#""id":"o","price":null,"quantity":1"#, "\"o\"", not_text("price", example, "null")),
        (r#""id":"o","price":{"a":[1]},"quantity":1"#, "\"o\"", not_text("price", example, "an object")),
        (
            r#""id":"o","price":"0.1234567","quantity":1"#,
            "\"o\"",
            Price(PriceError::TooManyDecimals("0.1234567".into())),
        ),
        (r#""id":"o","price":"1000.1","quantity":1"#, "\"o\"", Price(PriceError::OutOfRange("1000.1".into()))),
        (r#""id":"o","price":"NaN","quantity":1"#, "\"o\"", Price(PriceError::NotANumber("NaN".into()))),
        (r#""id":"o","price":"1e400","quantity":1"#, "\"o\"", Price(PriceError::NotANumber("1e400".into()))),
        (r#""id":"o","price":"1","quantity":-5"#, "\"o\"", QuantityNegative(-5)),
        (r#""id":"o","price":"1","quantity":1.5"#, "\"o\"", QuantityNotWhole("the number 1.5".into())),
        (r#""id":"o","price":"1","quantity":5.0"#, "\"o\"", QuantityNotWhole("the number 5.0".into())),
        (r#""id":"o","price":"1","quantity":"5""#, "\"o\"", QuantityNotWhole("the text \"5\"".into())),
        (r#""id":"o","price":"1","quantity":true"#, "\"o\"", QuantityNotWhole("true".into())),
        (r#""id":"o","price":"1","quantity":1000000001"#, "\"o\"", QuantityTooLarge(1_000_000_001)),
        (r#""id":"o","price":"1","quantity":1,"bus":3"#, "\"o\"", not_text("bus", "", "the number 3")),
        (r#""id":"o","price":"1","quantity":1,"bus":null"#, "\"o\"", not_text("bus", "", "null")),
    ];
    for (fields, order, problem) in cases {
        let expected = BookError::Order { side: Side::Offer, order: order.into(), problem };
        assert_eq!(refusal(&offer(fields)), expected, "{fields}");
    }
}

#[test]
fn a_refusal_is_one_line_with_all_one_needs_to_know() {
    assert_eq!(
        refusal(&offer(r#""id":"o\n7","price":0.25,"quantity":1"#)).to_string(),
        r#"offer "o\n7": price: expected a text in quotation marks such as "0.125", found the number 0.25"#
    );
    assert_eq!(
        refusal(&offer(r#""id":"o7","price":"1","quantity":-5"#)).to_string(),
        r#"offer "o7": quantity: expected whole Wh from 0 to 1000000000, found -5, which is negative"#
    );
}

#[test]
fn one_id_names_one_order() {
    let order = |id: &str| format!(r#"{{"id":"{id}","price":"1","quantity":1}}"#);
    let book = |bids: &[&str], offers: &[&str]| {
        let list = |ids: &[&str]| ids.iter().map(|id| order(id)).collect::<Vec<_>>().join(",");
        format!(r#"{{"bids":[{}],"offers":[{}]}}"#, list(bids), list(offers))
    };
    let duplicate = |side, other| BookError::DuplicateId { side, order: "\"x\"".into(), other };
    assert_eq!(refusal(&book(&["x", "y", "x"], &[])), duplicate(Side::Bid, Side::Bid));
    assert_eq!(refusal(&book(&[], &["x", "x"])), duplicate(Side::Offer, Side::Offer));
    assert_eq!(refusal(&book(&["x"], &["y", "x"])), duplicate(Side::Offer, Side::Bid));
    // The same id in another spelling.
    assert_eq!(refusal(&book(&["x"], &["\\u0078"])), duplicate(Side::Offer, Side::Bid));
}

#[test]
fn what_is_no_book_is_refused_by_name() {
    let nested = "[".repeat(100_000);
    let deep_order = format!(r#"{{"bids":[{{"id":"b","price":{nested}"#);
    for json in ["", "nonsense", "{", r#"{"bids":[],"offers":[]} x"#, &deep_order, r#"{"bids":[NaN],"offers":[]}"#] {
        assert!(matches!(refusal(json), BookError::NotJson(_)), "{:.60}: {}", json, refusal(json));
    }
    assert!(matches!(
        clear_json(b"{\"bids\":[\"\xff\"]", "uniform"),
        Err(BookError::NotABook(_) | BookError::NotJson(_))
    ));
    let huge_number = offer(r#""id":"o","price":"1","quantity":1e400"#);
    assert!(refusal(&huge_number).to_string().contains("number out of range at line 1"));
    for json in [
        "[]",
        " [[],[]]",
        "null",
        "3",
        "{}",
        r#"{"bids":[]}"#,
        r#"{"bids":[],"offers":[],"asks":[]}"#,
        r#"{"bids":[],"bids":[],"offers":[]}"#,
        r#"{"bids":{},"offers":[]}"#,
        r#"{"bids":[[]],"offers":[]}"#,
        r#"{"bids":["b"],"offers":[]}"#,
        &nested,
        &format!(r#"{{"bids":{nested}"#),
    ] {
        assert!(matches!(refusal(json), BookError::NotABook(_)), "{:.60}: {}", json, refusal(json));
        assert!(!refusal(json).to_string().contains('\n'));
    }
}

#[test]
fn a_book_beyond_the_limit_is_not_even_read() {
    let json = vec![0; BOOK_BYTES_MAX + 1];
    assert_eq!(clear_json(&json, "uniform"), Err(BookError::TooLarge { found: BOOK_BYTES_MAX + 1 }));
}

#[test]
fn an_unknown_mechanism_is_refused_with_the_known_ones() {
    let error = clear_json(b"{}", "barter").unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("expected a mechanism (`uniform`, ") && text.ends_with("), found `barter`"), "{text}");
}
