//! Enums whose variants are names.

/// An enum of names: each variant beside its text, so that none can be left out of `ALL`.
macro_rules! names {
    ($(#[$about:meta])* pub enum $names:ident { $($(#[$meaning:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $names {
            $($(#[$meaning])* $variant,)+
        }

        impl $names {
            /// Every refusal, in the order of the docs.
            pub const ALL: [$names; [$($text),+].len()] = [$($names::$variant),+];

            /// The name, as it appears in answers, logs, metrics and docs.
            pub const fn name(self) -> &'static str {
                match self {
                    $($names::$variant => $text,)+
                }
            }

            /// The refusal of this name; none if there is none, which a program of a later version may have.
            pub fn named(name: &str) -> Option<$names> {
                $names::ALL.into_iter().find(|known| known.name() == name)
            }
        }

        impl std::fmt::Display for $names {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

pub(crate) use names;
