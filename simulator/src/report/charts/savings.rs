//! What each member saves, from the most to the least.

use serde_json::{Value, json};

use super::super::{
    Run,
    chart::{Chart, Picture, Room, axis, layout},
    stretch::evenly,
    text,
};
use crate::offline::figures::rounded;

/// More bars than that are narrower than a line.
const BARS_MAX: usize = 2_000;

/// What members are told apart by: whether they have a roof, and a battery.
const GROUPS: [((bool, bool), &str, &str); 4] = [
    ((true, true), "Both", "$battery"),
    ((true, false), "Roof", "$supply"),
    ((false, true), "Battery", "$traded"),
    ((false, false), "Neither", "$demand"),
];

pub(super) fn chart(run: &Run<'_>) -> Chart {
    let mut savings: Vec<(i128, usize)> =
        run.members.iter().enumerate().map(|(member, sums)| (sums.saving_nano(), member)).collect();
    savings.sort_unstable_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(&other.1)));
    let shown: Vec<(usize, i128, usize)> = evenly(savings.len(), BARS_MAX)
        .map(|rank| {
            let (nano, member) = savings[rank];
            (rank + 1, nano, member)
        })
        .collect();
    // As wide as the distance to the next that is shown.
    let width = savings.len().div_ceil(BARS_MAX).max(1);
    let group = |&((has_roof, has_battery), name, colour): &((bool, bool), &str, &str)| -> Option<Value> {
        let is_in = |member: usize| {
            run.community.homes[member].has_roof == has_roof && run.community.has_battery(member) == has_battery
        };
        let bars: Vec<&(usize, i128, usize)> = shown.iter().filter(|(_, _, member)| is_in(*member)).collect();
        (!bars.is_empty()).then(|| {
            json!({
                "type": "bar", "name": name, "width": width, "marker": {"color": colour, "line": {"width": 0}},
                "x": bars.iter().map(|(rank, ..)| rank).collect::<Vec<_>>(),
                // To the ten-thousandth: nobody sees less.
                "y": bars.iter().map(|(_, nano, _)| rounded(*nano, 100_000) as f64 / 1e4).collect::<Vec<_>>(),
                "customdata": bars.iter().map(|bar| text::plain(&run.community.homes[bar.2].name)).collect::<Vec<_>>(),
                "hovertemplate": format!("%{{customdata}}, {}<br>saves %{{y:.2f}}<extra></extra>", name.to_lowercase()),
            })
        })
    };
    let data: Vec<Value> = GROUPS.iter().filter_map(group).collect();
    let above = savings.iter().filter(|(nano, _)| *nano > 0).count();
    let below = savings.iter().filter(|(nano, _)| *nano < 0).count();
    let at = |place: usize| savings.get(place).map_or(0, |(nano, _)| *nano);
    let caption = format!(
        "{} of {} save by the market and {}; in the middle {}, at most {}, at least {}, in the currency of the \
         tariffs. Colours say who has a roof, a battery, both or neither.{}",
        text::number(above as u64),
        text::counted(savings.len(), "member"),
        match below {
            0 => "none loses".to_owned(),
            1 => "1 loses".to_owned(),
            _ => format!("{} lose", text::number(below as u64)),
        },
        text::money(at(savings.len() / 2)),
        text::money(at(0)),
        text::money(at(savings.len().saturating_sub(1))),
        if savings.len() > BARS_MAX {
            format!(" {} of them are drawn, evenly by rank.", text::number(shown.len() as u64))
        } else {
            String::new()
        },
    );
    let layout = layout(json!({
        "hovermode": "closest",
        "barmode": "overlay",
        "bargap": 0,
        "xaxis": axis("Members, from the most saved to the least", json!({
            "range": [0.5, savings.len() as f64 + 0.5], "showgrid": false, "tickformat": ",d",
        })),
        "yaxis": axis("Saved over the whole time", json!({"zeroline": true, "tickformat": ",~f"})),
    }));
    let (caption, picture) = match above + below {
        0 => (String::new(), Picture::Nothing("Nobody saves, and nobody loses.")),
        _ => (caption, Picture::Drawn { data, layout }),
    };
    Chart { id: "savings", title: "What each member saves", caption, room: Room::Full, picture }
}
