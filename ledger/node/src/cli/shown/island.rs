//! A plan for an island, as whoever approves it reads it: what it costs, when it begins, and who is served first.

use protocol::island::{IslandPlan, MemberClaim};

use super::{Known, table};

/// The plan as lines; that there is none, too.
pub(super) fn lines(known: &Known, plan: Option<&IslandPlan>) -> Vec<String> {
    let Some(plan) = plan else { return vec!["island      no plan any more".into()] };
    let currency = &known.currency;
    let begins = plan.zero_intervals.map_or("by decisions only".into(), |intervals| {
        format!("by itself after {intervals} intervals without exchange at the transformer, or by decisions")
    });
    let mut lines = vec![
        format!("island      at {} {currency} per kWh, at most {}", plan.price(), plan.price_cap),
        format!("            begins and ends {begins}"),
        format!("            {} W for each person; batteries last {} intervals", plan.basic_w, plan.recharge_intervals),
        format!("            {} validators go on running", plan.validators.len()),
    ];
    if plan.claims.is_empty() {
        lines.push("            every member is a household of one person".into());
        return lines;
    }
    let heads = ["member", "life-safety, W", "critical, W", "persons", "all else, W"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(plan.claims.iter().map(|claim| {
        let MemberClaim { member, life_safety_w, critical_w, persons, other_w } = claim;
        let other = other_w.map_or("the connection's".into(), |power| power.to_string());
        vec![known.called(member), life_safety_w.to_string(), critical_w.to_string(), persons.to_string(), other]
    }));
    lines.extend(table::lines(&rows));
    lines
}
