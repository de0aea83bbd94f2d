//! Templates and settings that can never work.

use std::fs;

use protocol::{interval::Interval, reading::Registers};

use super::{
    super::{Placement, SourceConfig},
    *,
};

const TEMPLATE: &str = "format = 1\nname = \"mine\"\ntitle = \"Mine\"\nsums_phases = true\n[modbus]\n\
                        [import]\nunit = \"kWh\"\nread = [{ input = 72, as = \"f32\" }]\n\
                        [export]\nunit = \"kWh\"\nread = [{ input = 74, as = \"f32\" }]\n";

/// Why there is no meter, with this template beside a file that says this.
fn refused(template: &str, source: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("mine.toml"), template).unwrap();
    let text = format!("kind = \"device\"\ntemplate = \"./mine.toml\"\n{source}");
    let mut config: SourceConfig = match toml::from_str(&text) {
        Ok(config) => config,
        Err(error) => return error.to_string(),
    };
    config.resolve(directory.path());
    let first: Interval = "2026-06-01T12:00:00Z/PT15M".parse().unwrap();
    let placement = Placement { first, registers: Registers::default(), rated_power_w: None };
    match config.open(&placement) {
        Ok(_) => panic!("{template}\n{source}: it opens"),
        Err(error) => error.to_string(),
    }
}

const ADDRESS: &str = "address = \"tcp://h\"\n";

#[tokio::test]
async fn a_template_that_makes_no_sense_is_refused_in_one_line() {
    let changed = |from: &str, to: &str| {
        assert!(TEMPLATE.contains(from), "{from}");
        TEMPLATE.replacen(from, to, 1)
    };
    for (template, expected) in [
        (String::new(), "missing field `format`"),
        (changed("format = 1", "format = 2"), "expected `format = 1`, found 2"),
        (changed("title", "titel"), "line 3: unknown field `titel`"),
        (changed("[modbus]", "[modbus]\n[http]"), "expected one of [modbus], [http] and [mqtt], found 2"),
        (changed("[modbus]\n", ""), "found 0"),
        (changed("[import]", "[power]").replace("kWh", "W"), "unknown variant"),
        (TEMPLATE[..TEMPLATE.find("[import]").unwrap()].into(), "an estimate is never signed"),
        (TEMPLATE[..TEMPLATE.find("[export]").unwrap()].into(), "expected [export] with the cumulative energy"),
        (changed("unit = \"kWh\"\n", ""), "[import]: expected either `unit` (Wh, kWh or MWh) or `unit_json`"),
        (changed("kWh", "GWh"), "unknown variant `GWh`"),
        (changed("read = [{ input = 72, as = \"f32\" }]", "read = []"), "expected at least one value in `read`"),
        (changed("input = 72", "input = 70000"), "70000"),
        (changed("input = 72", "input = 65535"), "expected an address that leaves room for its words, found 65535"),
        (changed("input = 72, as", "as"), "expected either `input` or `holding`"),
        (changed("input = 72", "input = 72, holding = 72"), "expected either `input` or `holding`"),
        (changed(", as = \"f32\"", ""), "expected `as`"),
        (changed("as = \"f32\"", "as = \"f16\""), "unknown variant `f16`"),
        (changed("input = 72", "json = \"/a\""), "`json`, `path`, `topic` and `text` are not of Modbus"),
        (changed("input = 72", "inptu = 72"), "unknown field `inptu`"),
        (changed("as = \"f32\"", "as = \"f32\", scale = \"much\""), "much"),
        (format!("{TEMPLATE}[time]\njson = \"/t\"\nas = \"unix_s\"\n"), "no time is read by Modbus"),
        (
            format!("{TEMPLATE}[serial]\ninput = 1\nas = \"u16\"\noptional = true\n"),
            "are of values that are added; leave them out",
        ),
    ] {
        let error = refused(&template, ADDRESS);
        // The parser says where, and shows it.
        assert!(error.contains(expected) && !error.contains('\n'), "{template}: {error}");
        assert!(error.contains("mine.toml"), "{error}");
    }
}

#[tokio::test]
async fn a_template_of_http_or_mqtt_has_documents() {
    let http = TEMPLATE.replace("[modbus]", "[http]").replace("input = 72, as = \"f32\"", "json = \"/a\"");
    let http = http.replace("input = 74, as = \"f32\"", "json = \"/b\", path = \"/p\"");
    let source = "address = \"http://h\"\n";
    assert!(refused(&http, source).contains("[import]: expected a `path`, here or for all values"));
    let topic = http.replace("path = \"/p\"", "topic = \"t\"").replace("[http]", "[http]\npath = \"/p\"");
    assert!(refused(&topic, source).contains("expected `path`, found the other"));
    let whole = http.replace("[http]", "[http]\npath = \"/p\"");
    assert!(refused(&whole.replace("\"/a\"", "\"a\""), source).contains("expected a path such as /total/import"));
    assert!(refused(&whole.replace("\"/a\"", "\"/a\", input = 1"), source).contains("are of Modbus; expected `json`"));
    assert!(refused(&whole.replace("json = \"/a\"", "text = true"), source).contains("expected `json`"));
    assert!(refused(&whole.replace("\"/a\"", "\"/{a}\""), source).contains("not under [with]"));
    let mqtt = whole.replace("[http]\npath", "[mqtt]\ntopic");
    assert!(refused(&mqtt, "address = \"mqtt://h\"\n").contains("expected `topic`, found the other"));
}

#[tokio::test]
async fn settings_that_can_never_work_are_refused_with_what_to_do() {
    for (source, expected) in [
        ("", "missing field `address`"),
        ("address = \"192.168.1.20\"", "expected a Modbus device such as tcp://192.168.1.20:502"),
        ("address = \"http://h\"", "begin with tcp://, serial:// or rtu+tcp://"),
        ("address = \"tcp://h/x\"", "nothing else"),
        ("address = \"rtu+tcp://h\"", "add a port"),
        ("address = \"serial://ttyUSB0\"", "three slashes"),
        ("address = \"serial:///nowhere/ttyUSB0\"", "expected a serial port at /nowhere/ttyUSB0, found none"),
        ("address = \"serial:///nowhere/ttyUSB0\"\nbaud = 1", "expected `baud` of at least 300, found 1"),
        ("address = \"tcp://h\"\nbaud = 9600", "`baud` and `framing` are of a serial port"),
        ("address = \"tcp://h\"\nunit = 0", "expected `unit` from 1 to 247, or 255, found 0"),
        ("address = \"tcp://h\"\nunit = 300", "300"),
        ("address = \"tcp://h\"\npoll_s = 0", "expected `poll_s` from 1 to 15, found 0"),
        ("address = \"tcp://h\"\nmax_age_s = 0", "expected `max_age_s` from 1 to 300, found 0"),
        ("address = \"tcp://h\"\nwith = { x = \"y\" }", "`with.x` is not in the template; it has none"),
        ("address = \"tcp://h\"\nuser = \"ada\"", "`user` is of a `password_file`"),
        ("address = \"tcp://h\"\ntoken_file = \"t\"", "/t: "),
        ("address = \"tcp://h\"\nadress = \"tcp://h\"", "unknown field `adress`"),
    ] {
        let error = refused(TEMPLATE, source);
        assert!(error.contains(expected), "{source}: {error}");
    }
    let unsummed = TEMPLATE.replace("sums_phases = true", "sums_phases = false");
    assert!(refused(&unsummed, ADDRESS).contains("count each phase for itself"));
    let http = TEMPLATE.replace("[modbus]", "[http]\npath = \"/\"");
    let http =
        http.replace("input = 72, as = \"f32\"", "json = \"/a\"").replace("input = 74, as = \"f32\"", "json = \"/b\"");
    for (source, expected) in [
        ("address = \"tcp://h\"", "expected a device such as http://192.168.1.20, found `tcp://h`"),
        ("address = \"http://h/x\"", "nothing else"),
        ("address = \"http://h\"\nunit = 1", "`unit` is of Modbus, found a template of HTTP"),
        ("address = \"http://h\"\nbaud = 9600", "`baud` and `framing` are of Modbus"),
        (
            "address = \"http://h\"\nca = \"ca.pem\"",
            "are of a broker or an https address, found http://; leave them out",
        ),
        ("address = \"https://h\"", "beside an https address, found neither; add one"),
        ("address = \"https://h\"\nca = \"/nowhere/ca.pem\"", "`ca`: cannot read /nowhere/ca.pem"),
        ("address = \"https://h\"\nfingerprint = \"00:11\"", "64 hex digits with or without colons, found `00:11`"),
    ] {
        let error = refused(&http, source);
        assert!(error.contains(expected), "{source}: {error}");
    }
}

#[test]
fn a_template_that_is_not_there_is_named() {
    let error = |template: &str| {
        let config: DeviceConfig =
            toml::from_str(&format!("template = \"{template}\"\naddress = \"tcp://h\"")).unwrap();
        config.device().unwrap_err().to_string()
    };
    assert!(error("crystal-ball").contains("found `crystal-ball`; `meter-agent devices` lists them"));
    assert!(error("/nowhere/mine.toml").starts_with("expected a template at /nowhere/mine.toml: "));
}
