//! What batteries hold, and when they take and give.

use serde_json::json;

use super::super::{
    Run,
    chart::{Chart, Picture, Room, axis, day_axis, layout, steps, time_axis, with},
    stretch::{Course, mean_day},
    text,
};

pub(super) fn charts(run: &Run<'_>, course: &Course) -> [Chart; 2] {
    [over_time(run, course), on_a_day(run)]
}

fn over_time(run: &Run<'_>, course: &Course) -> Chart {
    let stored = steps(course, "Stored", "$battery", course.stretches.iter().map(|of| Some(of.stored_kwh())));
    let look = json!({
        "fill": "tozeroy", "fillcolor": "$battery-soft", "hovertemplate": "%{x}<br>%{y:.1f} kWh stored<extra></extra>",
    });
    let most_wh = run.intervals.iter().map(|(_, row)| row.stored_wh).max().unwrap_or(0);
    let count = (0..run.members.len()).filter(|member| run.community.has_battery(*member)).count();
    let caption = format!(
        "{} hold {} at most, all together. A point is the mean of {}.",
        match count {
            1 => "1 battery".to_owned(),
            _ => format!("{} batteries", text::number(count as u64)),
        },
        text::energy(most_wh),
        course.step_text(),
    );
    let end_s = course.from_s + course.stretches.len() as i64 * course.step_s;
    let layout = layout(json!({
        "showlegend": false,
        "margin": {"l": 8, "r": 12, "t": 10, "b": 8},
        "dragmode": "zoom",
        "hovermode": "closest",
        "xaxis": time_axis(json!({"range": [course.from_s * 1_000, end_s * 1_000], "nticks": 5})),
        "yaxis": axis("Stored, kWh", json!({"rangemode": "tozero"})),
    }));
    let picture = Picture::Drawn { data: vec![with(stored, look)], layout };
    Chart { id: "stored", title: "What batteries hold", caption, room: Room::Half, picture }
}

fn on_a_day(run: &Run<'_>) -> Chart {
    let day = mean_day(run.intervals);
    let soft = |colour: &str| json!({"fill": "tozeroy", "fillcolor": format!("{colour}-soft")});
    let charged = steps(&day, "Charged", "$supply", day.stretches.iter().map(|of| Some(of.kw(of.sums.charged_wh))));
    let discharged =
        steps(&day, "Discharged", "$battery", day.stretches.iter().map(|of| Some(of.kw(of.sums.discharged_wh))));
    let hover = |name: &str| json!({"hovertemplate": format!("{name} %{{y:.2f}} kW<extra></extra>")});
    let data = vec![
        with(with(charged, soft("$supply")), hover("Charged")),
        with(with(discharged, soft("$battery")), hover("Discharged")),
    ];
    let energy = &run.figures.energy;
    let caption = format!(
        "Mean power over all days: batteries take {} in all and give {} back.",
        text::energy(energy.charged_wh),
        text::energy(energy.discharged_wh),
    );
    let layout = layout(json!({
        "hovermode": "x unified",
        "xaxis": day_axis(json!({})),
        "yaxis": axis("kW", json!({"rangemode": "tozero"})),
    }));
    let picture = Picture::Drawn { data, layout };
    Chart { id: "battery-day", title: "Batteries on an average day", caption, room: Room::Half, picture }
}
