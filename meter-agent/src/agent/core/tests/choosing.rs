//! What is chosen on the page.

use super::{home::chosen, *};

#[test]
fn a_choice_is_stored_then_an_order_says_so_and_taken_back_the_file_counts_again() {
    let mut home = Home::new(Some("0.2"));
    home.connects();
    home.announced(0, Some(1));
    home.all_goes_well();
    let first = home.memory.orders[&1].message.clone();
    home.answered(&first, None);
    home.all_goes_well();
    assert_eq!(home.chooses(Some("0.25")), ["store choice fixed"]);
    assert_eq!(home.core.identity.choice, None, "it stands once it is stored");
    assert_eq!(home.writes(), ["store order 2 Open"]);
    assert_eq!(home.writes(), ["publish order"]);
    home.all_goes_well();
    let order = home.memory.orders[&2].clone();
    assert_eq!((order.order.buy, order.order.valid_from), ("0.25".parse().ok(), interval(2)));
    let status = home.core.status(home.now);
    assert_eq!((status.chosen, status.configured.as_str()), (Some(chosen("0.25")), "fixed"));
    home.answered(&order.message, None);
    home.all_goes_well();
    assert_eq!(home.chooses(Some("0.25")), NOTHING, "it stands already");
    assert_eq!(home.chooses(None), ["store no choice"]);
    home.all_goes_well();
    assert_eq!(home.memory.orders[&3].order.buy, "0.2".parse().ok());
    assert_eq!(home.core.status(home.now).chosen, None);
}

#[test]
fn a_choice_that_cannot_be_stored_does_not_stand_and_after_a_failure_none_is_stored() {
    let mut home = Home::new(Some("0.2"));
    assert_eq!(home.chooses(Some("0.25")), ["store choice fixed"]);
    assert_eq!(home.fails_to_write(false), NOTHING);
    assert_eq!(home.core.identity.choice, None);
    assert_eq!(home.chooses(Some("0.25")), NOTHING);
    assert_eq!((home.core.identity.choice, home.memory.choice), (None, None));
}

#[test]
fn where_an_order_was_refused_for_what_it_says_another_choice_is_an_order_again() {
    for before_the_answer in [true, false] {
        let mut home = Home::new(Some("0.2"));
        home.connects();
        home.announced(0, Some(1));
        home.all_goes_well();
        let refused = home.memory.orders[&1].message.clone();
        if before_the_answer {
            home.chooses(Some("0.25"));
            home.all_goes_well();
        }
        home.answered(&refused, Some(Refusal::Malformed));
        home.all_goes_well();
        assert_eq!(home.alarms(), ["order refused: Malformed: so"]);
        if !before_the_answer {
            assert_eq!(home.memory.orders.len(), 1, "the same would be refused again");
            home.chooses(Some("0.25"));
            home.all_goes_well();
            assert!(home.alarms().is_empty());
        }
        assert_eq!(home.memory.orders[&2].order.buy, "0.25".parse().ok(), "{before_the_answer}");
    }
}

#[test]
fn what_was_learned_goes_with_the_strategy_that_learned_it() {
    let mut home = Home::new(None);
    let settings = "limits = 2\nexperimentation = 0.05\nlowest = \"0.1\"\nhighest = \"0.2\"\n";
    let strategy = strategy::read("roth_erev", toml::Deserializer::parse(settings).unwrap()).unwrap();
    home.core.identity.strategy = strategy.clone();
    home.core.identity.configured = strategy.clone();
    let new = Learned::of(&*strategy, None, interval(-1));
    home.core.learned = new.clone();
    home.chooses(Some("0.25"));
    home.all_goes_well();
    assert_eq!(home.core.learned, None, "fixed limits learn nothing");
    home.chooses(None);
    home.all_goes_well();
    assert!(home.core.learned.is_some() && home.core.learned == new);
}
