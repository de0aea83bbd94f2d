//! What a meter's model says (SunSpec Information Model Reference, meter models). Pure.
//!
//! Every value that is not implemented has a number that stands for it, and the library gives those of mandatory points
//! as they are: they are told apart here.

use protocol::{limits::REGISTER_WH_MAX, reading::Registers};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use sunspec::{
    Model,
    models::{
        model201::Model201, model202::Model202, model203::Model203, model204::Model204, model211::Model211,
        model212::Model212, model213::Model213, model214::Model214,
    },
};

use super::super::sampler::Sample;

/// Of 16-bit numbers and scale factors.
const NOT_IMPLEMENTED: i16 = i16::MIN;
/// Powers of ten that a scale factor may have.
const SCALES: std::ops::RangeInclusive<i16> = -10..=10;

/// Why a model gives no registers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// It is shorter than its kind.
    #[error("model {model}: {error}")]
    Malformed {
        /// Its number.
        model: u16,
        /// What the library says.
        error: String,
    },
    /// A register is not implemented.
    #[error(
        "{0} is what SunSpec has for a register that is not implemented: a meter that does not count both directions \
         cannot be used, and a new one must have counted both before it can"
    )]
    NotImplemented(&'static str),
    /// A scale factor that makes no sense.
    #[error("expected TotWh_SF from -10 to 10, found {0}")]
    Scale(i16),
    /// More than a register can show, or less than nothing.
    #[error("expected {name} from 0 to {REGISTER_WH_MAX} Wh, found {found}")]
    OutOfRange {
        /// Which.
        name: &'static str,
        /// What was there.
        found: String,
    },
}

/// Whether a model is one of a meter that counts.
pub(super) fn is_meter(model: u16) -> bool {
    matches!(model, 201..=204 | 211..=214)
}

/// A meter's values, whatever the number of its wires.
enum Values {
    Scaled { import: u32, export: u32, energy_scale: i16, power: i16, power_scale: i16 },
    Float { import: f32, export: f32, power: f32 },
}

macro_rules! values {
    ($model:expr, $words:expr, scaled: $($scaled:ident)*, float: $($float:ident)*) => {
        match $model {
            $($scaled::ID => $scaled::parse($words).map_err(|error| error.to_string()).map(|model| Values::Scaled {
                import: model.tot_wh_imp,
                export: model.tot_wh_exp,
                energy_scale: model.tot_wh_sf,
                power: model.w,
                power_scale: model.w_sf,
            }),)*
            $($float::ID => $float::parse($words).map_err(|error| error.to_string()).map(|model| Values::Float {
                import: model.tot_wh_imp,
                export: model.tot_wh_exp,
                power: model.w,
            }),)*
            _ => Err("it is not one of a meter".into()),
        }
    };
}

/// Reads the words of a model.
pub(super) fn read(model: u16, words: &[u16]) -> Result<Sample, Unreadable> {
    let values: Result<Values, String> = values!(
        model, words,
        scaled: Model201 Model202 Model203 Model204,
        float: Model211 Model212 Model213 Model214
    );
    let sample = match values.map_err(|error| Unreadable::Malformed { model, error })? {
        Values::Scaled { import, export, energy_scale, power, power_scale } => {
            let wh = |name, register: u32| match register {
                0 => Err(Unreadable::NotImplemented(name)),
                register => wh(name, scaled(register.into(), energy_scale).ok_or(Unreadable::Scale(energy_scale))?),
            };
            let registers = Registers { import_wh: wh("TotWhImp", import)?, export_wh: wh("TotWhExp", export)? };
            let power_w = (power != NOT_IMPLEMENTED).then(|| scaled(power.into(), power_scale)).flatten();
            (registers, power_w)
        }
        Values::Float { import, export, power } => {
            let wh = |name, register: f32| {
                let decimal = Decimal::from_f64_retain(register.into());
                wh(name, decimal.ok_or(Unreadable::NotImplemented(name))?)
            };
            let registers = Registers { import_wh: wh("TotWhImp", import)?, export_wh: wh("TotWhExp", export)? };
            (registers, Decimal::from_f64_retain(power.into()))
        }
    };
    let (registers, power_w) = sample;
    let power_w = power_w.and_then(|watts| watts.round().to_i64());
    Ok(Sample { registers, at_s: None, power_w, serial: None })
}

fn scaled(value: i64, scale: i16) -> Option<Decimal> {
    let power = Decimal::from(10_u64.checked_pow(scale.unsigned_abs().into())?);
    let value = Decimal::from(value);
    SCALES.contains(&scale).then_some(if scale < 0 { value / power } else { value * power })
}

/// Whole Wh: cut off, so that a register never runs backwards.
fn wh(name: &'static str, decimal: Decimal) -> Result<u64, Unreadable> {
    let wh = decimal.floor().to_u64().filter(|wh| *wh <= REGISTER_WH_MAX);
    wh.ok_or_else(|| Unreadable::OutOfRange { name, found: decimal.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words of a model with these: a point's offset, and its words.
    fn words(points: &[(u16, &[u16])]) -> Vec<u16> {
        let mut words = vec![0; 124];
        for (offset, point) in points {
            words[usize::from(*offset)..][..point.len()].copy_from_slice(point);
        }
        words
    }

    fn scaled_meter(
        export: u32,
        import: u32,
        energy_scale: i16,
        power: i16,
        power_scale: i16,
    ) -> Result<Sample, String> {
        let split = |value: u32| [(value >> 16) as u16, value as u16];
        let words = words(&[
            (Model203::W.offset, &[power as u16]),
            (Model203::W_SF.offset, &[power_scale as u16]),
            (Model203::TOT_WH_EXP.offset, &split(export)),
            (Model203::TOT_WH_IMP.offset, &split(import)),
            (Model203::TOT_WH_SF.offset, &[energy_scale as u16]),
        ]);
        read(203, &words[..105]).map_err(|error| error.to_string())
    }

    #[test]
    fn scale_factors_are_applied_and_what_is_less_than_a_wh_is_cut_off() {
        let registers = |import_wh, export_wh| Registers { import_wh, export_wh };
        let sample = scaled_meter(34_146_579, 96_810_173, -1, -1_907, 0).unwrap();
        assert_eq!((sample.registers, sample.power_w), (registers(9_681_017, 3_414_657), Some(-1_907)));
        let sample = scaled_meter(1, 2, 3, 15, 2).unwrap();
        assert_eq!((sample.registers, sample.power_w), (registers(2_000, 1_000), Some(1_500)));
        let sample = scaled_meter(1, u32::MAX, 0, i16::MIN, 0).unwrap();
        assert_eq!((sample.registers, sample.power_w), (registers(u32::MAX.into(), 1), None));
        let sample = scaled_meter(1, 1, 0, 7, i16::MIN).unwrap();
        assert_eq!(sample.power_w, None);
    }

    #[test]
    fn what_is_not_implemented_is_no_register() {
        for (export, import, scale, expected) in [
            (0, 5, 0, "TotWhExp is what SunSpec has for a register that is not implemented"),
            (5, 0, 0, "TotWhImp is what"),
            (5, 5, i16::MIN, "expected TotWh_SF from -10 to 10, found -32768"),
            (5, 5, 11, "found 11"),
            (5, u32::MAX, 10, "expected TotWhImp from 0 to"),
        ] {
            let error = scaled_meter(export, import, scale, 0, 0).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert!(read(203, &[0; 20]).unwrap_err().to_string().starts_with("model 203: "));
        assert!(read(103, &[0; 105]).unwrap_err().to_string().contains("not one of a meter"));
    }

    #[test]
    fn floating_point_models_are_read_exactly() {
        let meter = |import: f32, export: f32, power: f32| {
            let split = |value: f32| [(value.to_bits() >> 16) as u16, value.to_bits() as u16];
            let words = words(&[
                (Model213::W.offset, &split(power)),
                (Model213::TOT_WH_EXP.offset, &split(export)),
                (Model213::TOT_WH_IMP.offset, &split(import)),
            ]);
            read(213, &words).map_err(|error| error.to_string())
        };
        let sample = meter(9_681_017.0, 1.999, 230.4).unwrap();
        let registers = Registers { import_wh: 9_681_017, export_wh: 1 };
        assert_eq!((sample.registers, sample.power_w), (registers, Some(230)));
        assert_eq!(meter(1.0, 1.0, f32::NAN).unwrap().power_w, None);
        assert!(meter(f32::NAN, 1.0, 0.0).unwrap_err().contains("TotWhImp is what SunSpec has"));
        assert!(meter(1.0, -1.0, 0.0).unwrap_err().contains("expected TotWhExp from 0 to"));
        assert!(meter(1e20, 1.0, 0.0).unwrap_err().contains("expected TotWhImp from 0 to"));
    }
}
