use super::{
    super::super::list::{Alarms, CLEAR_AFTER_S, Judgement},
    *,
};

const BOTH: [Channel; 2] = [Channel::Webhook, Channel::Mail];

/// A list, and who is told of it.
struct Scene {
    alarms: Alarms,
    outbox: Outbox,
    now: i64,
}

impl Scene {
    fn new(channels: &[Channel], an_hour: usize) -> Scene {
        let mut outbox = Outbox::default();
        outbox.go_on(channels, an_hour, &[], 1_000);
        Scene { alarms: Alarms::default(), outbox, now: 1_000 }
    }

    /// A second in which these are the matter.
    fn second(&mut self, found: &[AlarmName]) {
        self.now += 1;
        let judged = |name: &AlarmName| Judgement { name: *name, since: 7, cause: "c".into(), action: "a".into() };
        let changes = self.alarms.judged(found.iter().map(judged).collect(), self.now);
        self.outbox.take(&changes, self.now);
    }

    /// Something is the matter for a moment, and over.
    fn once(&mut self, name: AlarmName) {
        self.second(&[name]);
        (0..=CLEAR_AFTER_S).for_each(|_| self.second(&[]));
    }

    fn due(&mut self) -> Vec<(Channel, String)> {
        let due = self.outbox.due(self.alarms.on(), self.now);
        due.into_iter().map(|(channel, message)| (channel, message.title())).collect()
    }

    /// Delivers what is due until nothing is, by one channel.
    fn deliver(&mut self, channel: Channel) -> Vec<String> {
        let mut told = Vec::new();
        while let Some((_, title)) = self.due().into_iter().find(|(due, _)| *due == channel) {
            told.push(title);
            self.outbox.delivered(channel, self.now);
        }
        told
    }

    /// The market is killed, and started again.
    fn restart(&mut self, channels: &[Channel], an_hour: usize) {
        let kept = serde_json::to_string(&self.outbox).unwrap();
        self.outbox = serde_json::from_str(&kept).unwrap();
        self.outbox.go_on(channels, an_hour, self.alarms.on(), self.now);
    }

    fn waiting(&self) -> Vec<u64> {
        self.outbox.states().iter().map(|state| state.waiting).collect()
    }
}

#[test]
fn each_channel_is_told_once_of_what_is_raised_and_over_in_order() {
    let mut scene = Scene::new(&BOTH, 20);
    scene.once(AlarmName::NoBlock);
    scene.second(&[AlarmName::DiskLow]);
    let told = ["no_block (critical)", "no_block is over", "disk_low (critical)"];
    assert_eq!(scene.deliver(Channel::Webhook), told);
    scene.second(&[AlarmName::DiskLow]);
    assert_eq!(scene.waiting(), [0, 3], "one that takes its time holds up no other");
    assert_eq!(scene.due(), [], "it was tried before, and nothing came of it yet");
    scene.outbox.delivered(Channel::Mail, scene.now);
    assert_eq!(scene.deliver(Channel::Mail), told[1..]);
}

#[test]
fn a_restart_repeats_nothing_and_forgets_nothing() {
    let mut scene = Scene::new(&[Channel::Mail], 20);
    scene.once(AlarmName::NoBlock);
    assert_eq!(scene.due(), [(Channel::Mail, "no_block (critical)".into())]);
    let id = scene.outbox.queues[&Channel::Mail].waiting[0].id();
    scene.restart(&[Channel::Mail], 20);
    assert_eq!(scene.outbox.due(&[], scene.now)[0].1.id(), id, "what may have arrived has the same id again");
    scene.outbox.delivered(Channel::Mail, scene.now);
    scene.restart(&[Channel::Mail], 20);
    assert_eq!(scene.deliver(Channel::Mail), ["no_block is over"]);
    scene.restart(&[Channel::Mail], 20);
    assert_eq!(scene.deliver(Channel::Mail), [""; 0]);
}

#[test]
fn a_channel_that_is_new_is_told_what_is_on_and_one_that_is_gone_keeps_nothing() {
    let mut scene = Scene::new(&[Channel::Mail], 20);
    scene.once(AlarmName::NoBlock);
    scene.second(&[AlarmName::DiskLow]);
    scene.restart(&[Channel::Webhook], 20);
    assert_eq!(scene.waiting(), [1]);
    assert_eq!(scene.deliver(Channel::Webhook), ["disk_low (critical)"]);
}

#[test]
fn more_than_fit_into_an_hour_become_one_summary() {
    let mut scene = Scene::new(&[Channel::Mail], 4);
    for _ in 0..2 {
        scene.once(AlarmName::NoBlock);
        scene.deliver(Channel::Mail);
    }
    let full = scene.now;
    for _ in 0..6 {
        scene.once(AlarmName::Unfit);
        assert_eq!(scene.due(), []);
    }
    scene.second(&[AlarmName::DiskLow]);
    scene.restart(&[Channel::Mail], 4);
    assert_eq!((scene.deliver(Channel::Mail), scene.waiting()), (vec![], vec![13]), "nor after a restart");
    // The first was delivered some seconds after the clock began.
    scene.now = full + HOUR_S;
    let due = scene.outbox.due(scene.alarms.on(), scene.now);
    assert_eq!(due[0].1.what, What::More { count: 13, on: vec![AlarmName::DiskLow] });
    assert_eq!(due[0].1.title(), "13 more, see the list");
    scene.outbox.delivered(Channel::Mail, scene.now);
    assert_eq!((scene.deliver(Channel::Mail), scene.waiting()), (vec![], vec![0]));
    scene.once(AlarmName::Unfit);
    assert_eq!(scene.deliver(Channel::Mail), ["unfit (critical)", "disk_low is over", "unfit is over"]);
}

#[test]
fn what_does_not_arrive_is_tried_again_ever_more_rarely_and_named() {
    let mut scene = Scene::new(&BOTH, 20);
    scene.second(&[AlarmName::NoBlock]);
    let mut tries = Vec::new();
    for _ in 0..4_000 {
        scene.now += 1;
        if scene.due().iter().any(|(channel, _)| *channel == Channel::Mail) {
            tries.push(scene.now);
            scene.outbox.failed(Channel::Mail, "mail.example: 451\nlater", scene.now);
        }
    }
    let pauses: Vec<i64> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(pauses[..10], [2, 4, 8, 16, 32, 64, 128, 256, 512, 600]);
    assert_eq!(pauses.iter().max(), Some(&RETRY_S_MAX));
    let state = scene.outbox.states().into_iter().find(|state| state.channel == Channel::Mail).unwrap();
    let undelivered = state.undelivered.unwrap();
    assert_eq!((undelivered.since, undelivered.reason.as_str()), (tries[0], "mail.example: 451 later"));
    assert_eq!((undelivered.first.as_str(), state.counts.failed), ("no_block (critical)", tries.len() as u64));
    // The clock is put back by a day: nothing waits for a day.
    scene.now -= 86_400;
    assert_eq!(scene.due().len(), 1);
    scene.outbox.delivered(Channel::Mail, scene.now);
    assert!(scene.outbox.states().iter().all(|state| state.undelivered.is_none()));
}

#[test]
fn that_a_channel_fails_is_told_by_the_other_alone() {
    let mut scene = Scene::new(&BOTH, 20);
    scene.once(AlarmName::MailUndelivered);
    assert_eq!(scene.waiting(), [2, 0]);
    assert_eq!(scene.deliver(Channel::Webhook), ["mail_undelivered (warning)", "mail_undelivered is over"]);
}
