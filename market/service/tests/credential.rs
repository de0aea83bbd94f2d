//! `market credential`, as a program: cards issued from what the ledger says, presented, verified, and taken out of
//! use.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use member_card::{Binding, Card, HolderKey, Name};
use protocol::{api::Change, key::SecretKey};
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd};
use serde_json::{Value, json};
use settings::owner_only;
use support::fake_ledger::FakeLedger;
use testkit::{
    certificates::Identity,
    community::{Community, write_secret},
};

const TOWN: &str = "https://town.example.org";

/// An operator with a ledger of three members, whose first is called Ada.
struct Town {
    directory: tempfile::TempDir,
    community: Community,
    ledger: FakeLedger,
}

impl Town {
    async fn new() -> Town {
        let directory = tempfile::tempdir().unwrap();
        let community = Community::new(3, 1);
        let ledger = FakeLedger::start(&community.genesis).await;
        let market = directory.path().join("market");
        fs::create_dir(&market).unwrap();
        let genesis = serde_json::to_string(&community.genesis).unwrap();
        fs::write(directory.path().join("genesis.json"), &genesis).unwrap();
        fs::write(market.join("genesis.json"), genesis).unwrap();
        write_secret(&market.join("market.key"), &owner_only::key_text(&community.market));
        let rows = ["Ada", "Bob", "Bob"].iter().zip(&community.members).map(|(name, it)| format!("{},{name}\n", it.id));
        fs::write(market.join("members.csv"), format!("member,name\n{}", rows.collect::<String>())).unwrap();
        let config = format!(
            "genesis = \"genesis.json\"\nkey = \"market.key\"\nstate = \"state\"\ndirectory = \"members.csv\"\n\
             broker = \"mqtt://127.0.0.1:1\"\nledger = [\"{}\"]\nconsole = \"127.0.0.1:0\"\n[clock]\nkind = \"system\"\n",
            ledger.url()
        );
        fs::write(market.join("market.toml"), config).unwrap();
        Town { directory, community, ledger }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn market(&self, arguments: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_market"));
        command.args(arguments.split(' ')).current_dir(self.directory.path()).output().unwrap()
    }

    /// What it prints.
    fn done(&self, arguments: &str) -> String {
        let output = self.market(arguments);
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Bad input, in one line.
    fn refused(&self, arguments: &str) -> String {
        let output = self.market(arguments);
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), line.lines().count()), (Some(2), 1), "{arguments}: {line}");
        line.trim_end().to_owned()
    }

    /// The office, and its issuer.
    fn office(&self) -> String {
        let said = self.done("credential init cards --base https://cards.example.org --config market/market.toml");
        said.lines().next().unwrap().strip_prefix("issuer  ").unwrap().to_owned()
    }

    /// A card of Ada's that is bound to this key.
    fn card(&self, holder: &SecretKey) -> Card {
        fs::write(self.path("holder.jwk"), HolderKey::Ed25519(holder.public()).jwk()).unwrap();
        let text = self.done("credential issue Ada --office cards --holder holder.jwk --meter 1ESY1161234567");
        Card::read(&text).unwrap()
    }

    fn status(&self) {
        self.done("credential status --office cards --to status");
    }

    fn nonce(&self) -> String {
        self.done("credential challenge --nonces nonces")
    }

    /// Presents a card, for this nonce, in `shown.sdjwt`.
    fn show(&self, card: &Card, holder: &SecretKey, audience: &str, nonce: &str) {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
        let to = Binding { audience, nonce, now };
        let shown = card.present(holder, &[Name::Technology, Name::RatedPowerW], to).unwrap();
        fs::write(self.path("shown.sdjwt"), shown).unwrap();
    }
}

fn verify(issuer: &str, nonce: &str) -> String {
    format!(
        "credential verify shown.sdjwt --issuer {issuer} --genesis genesis.json --audience {TOWN} --nonce {nonce} \
         --nonces nonces --status status"
    )
}

fn holder(number: u8) -> SecretKey {
    SecretKey::from_seed(&[number; 32])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_says_what_the_ledger_says_and_is_accepted_once() {
    let town = Town::new().await;
    let issuer = town.office();
    let key = holder(100);
    let card = town.card(&key);
    let claims: Vec<String> = card.claims().map(ToString::to_string).collect();
    let ada = &town.community.members[0];
    let expected = [
        format!("member  {}", ada.id),
        format!("device  {}", ada.device.public()),
        "name  Ada".into(),
        "meter  1ESY1161234567".into(),
        "rated_power_w  100000".into(),
        "technology  solar".into(),
    ];
    assert_eq!(claims, expected);
    assert_eq!((card.is_signed(), card.issuer()), (Some(true), issuer.as_str()));
    town.status();
    let nonce = town.nonce();
    town.show(&card, &key, TOWN, &nonce);
    let said = town.done(&verify(&issuer, &nonce));
    assert!(said.starts_with("good: a member's card") && said.ends_with("rated_power_w  100000\ntechnology  solar"));
    // Presented twice.
    assert!(town.refused(&verify(&issuer, &nonce)).contains("replayed: "));
    let (other, never) = (town.nonce(), "0".repeat(32));
    assert!(town.refused(&verify(&issuer, &other)).contains("other_nonce: "));
    town.show(&card, &key, TOWN, &never);
    assert!(town.refused(&verify(&issuer, &never)).contains("nonce_unknown: "));
    // For another audience.
    town.show(&card, &key, "https://school.example.org", &other);
    assert!(town.refused(&verify(&issuer, &other)).contains("other_audience: "));
    // A refused one has used up nothing.
    town.show(&card, &key, TOWN, &other);
    // From another community.
    fs::write(town.path("other.json"), serde_json::to_string(&Community::new(4, 1).genesis).unwrap()).unwrap();
    let elsewhere = verify(&issuer, &other).replace("genesis.json", "other.json");
    assert!(town.refused(&elsewhere).contains("other_community: "));
    town.done(&verify(&issuer, &other));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_follows_the_ledger_by_itself() {
    let town = Town::new().await;
    let issuer = town.office();
    let ada = town.community.members[0].id;
    let key = holder(100);
    let (card, second) = (town.card(&key), town.card(&key));
    assert_ne!(card.place(), second.place());
    let now = |card: &Card| {
        town.status();
        let nonce = town.nonce();
        town.show(card, &key, TOWN, &nonce);
        let output = town.market(&verify(&issuer, &nonce));
        match output.status.success() {
            true => "good".to_owned(),
            false => String::from_utf8(output.stderr).unwrap().split(": ").nth(1).unwrap().to_owned(),
        }
    };
    assert_eq!(now(&card), "good");
    let device = town.community.members[0].device.public();
    town.ledger.set_device(ada, None, None);
    assert_eq!(now(&card), "suspended", "it contradicted itself");
    let refused = town.refused("credential issue Ada --office cards --holder holder.jwk");
    assert!(refused.contains("revoked or suspended"), "{refused}");
    town.ledger.set_device(ada, None, Some(Change::RevokeDevice { member: ada }));
    assert_eq!(now(&card), "revoked", "it was decided");
    town.ledger.set_device(ada, Some(holder(7).public()), None);
    assert_eq!(now(&card), "revoked", "there is another meter");
    town.ledger.set_device(ada, Some(device), None);
    assert_eq!(now(&card), "good");
    town.done(&format!("credential withdraw {} --office cards", card.place().idx));
    assert_eq!((now(&card), now(&second)), ("revoked".into(), "good".into()));
    town.refused(&format!("credential withdraw {} --office cards", card.place().idx));
    // Erased, nothing leads from the places to the member.
    let said = town.done("erase Ada --names market/members.csv --cards cards");
    assert!(said.contains("Of 1 cards nothing says"), "{said}");
    let register = fs::read_to_string(town.path("cards/register.csv")).unwrap();
    assert!(!register.contains(&ada.to_string()) && register.lines().count() == 3, "{register}");
    assert_eq!(now(&second), "revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_reason_for_a_card_is_said_and_nothing_is_registered() {
    let town = Town::new().await;
    town.office();
    fs::write(town.path("holder.jwk"), HolderKey::Ed25519(holder(1).public()).jwk()).unwrap();
    fs::write(town.path("secret.jwk"), r#"{"kty":"OKP","crv":"Ed25519","x":"AA","d":"AA"}"#).unwrap();
    let issue = |name: &str, rest: &str| town.refused(&format!("credential issue {name} --office cards {rest}"));
    for (found, reason) in [
        (issue("Zoe", "--holder holder.jwk"), "found `Zoe`, who is not in it"),
        (issue("Bob", "--holder holder.jwk"), "found 2 named `Bob`"),
        (issue("Ada", "--holder secret.jwk"), "found one with the secret `d`"),
        (issue("Ada", "--holder market/market.toml"), "expected a public JWK"),
        (issue("Ada", &format!("--holder holder.jwk --meter {}", "1".repeat(200))), "`meter`: expected 1 to 128 bytes"),
        (
            town.refused("credential init cards --base https://a.example --config market/market.toml"),
            "found files in it",
        ),
        (town.refused("credential init new --base http://a.example --config market/market.toml"), "--base: expected"),
        (town.refused("credential status --office nowhere --to status"), "nowhere/cards.toml"),
    ] {
        assert!(found.contains(reason), "{found}");
    }
    assert!(!town.path("cards/register.csv").exists() && !town.path("new").exists());
    for (text, reason) in [("place\n", "register.csv, line 1"), ("", "register.csv, line 1")] {
        fs::write(town.path("cards/register.csv"), text).unwrap();
        assert!(issue("Ada", "--holder holder.jwk").contains(reason));
    }
}

/// Who issues certificates, as the rules for the web's ask it: of an authority that says what its key is for.
struct Trust {
    certificate: Certificate,
    key: KeyPair,
}

impl Trust {
    fn new(name: &str) -> Trust {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        Trust { certificate: params.self_signed(&key).unwrap(), key }
    }

    fn pem(&self) -> String {
        self.certificate.pem()
    }

    fn issue(&self, name: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = params(name);
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.certificate, &self.key).unwrap();
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(2046, 1, 1));
    params
}

/// An office whose key has a certificate.
fn certified(town: &Town) -> (Trust, String) {
    town.office();
    let authority = Trust::new("a trust service");
    let identity = authority.issue("cards.example.org");
    let description = fs::read_to_string(town.path("cards/cards.toml")).unwrap();
    let description = description.replace("\nkey = ", "\n# key = ").replace("# cert", "cert");
    fs::write(town.path("cards/cards.toml"), description).unwrap();
    write_secret(&town.path("cards/issuer.pem"), &identity.key);
    fs::write(town.path("cards/chain.pem"), &identity.certificate).unwrap();
    (authority, identity.certificate)
}

#[tokio::test(flavor = "multi_thread")]
async fn with_certificates_cards_are_for_wallets() {
    let town = Town::new().await;
    let (authority, certificate) = certified(&town);
    let key = holder(100);
    let card = town.card(&key);
    assert_eq!((card.is_signed(), card.issuer()), (None, "https://cards.example.org"));
    town.status();
    let nonce = town.nonce();
    town.show(&card, &key, TOWN, &nonce);
    let by = "https://cards.example.org --certificate cards/chain.pem";
    town.done(&verify(by, &nonce));
    // Of another with the same name.
    fs::write(town.path("other.pem"), authority.issue("cards.example.org").certificate).unwrap();
    assert!(town.refused(&verify(&by.replace("cards/chain.pem", "other.pem"), &nonce)).contains("other_issuer: "));
    let issue = || town.refused("credential issue Ada --office cards --holder holder.jwk");
    for (pem, reason) in [
        (authority.issue("cards.example.org").certificate, "expected the certificate of the key"),
        (certificate.replace("BEGIN CERTIFICATE", "BEGIN NOTHING"), "expected PEM"),
        (authority.pem(), "expected the certificate of the key"),
    ] {
        fs::write(town.path("cards/chain.pem"), pem).unwrap();
        assert!(issue().contains(reason), "{}", issue());
    }
    let other_host = authority.issue("shop.example.org");
    fs::remove_file(town.path("cards/issuer.pem")).unwrap();
    write_secret(&town.path("cards/issuer.pem"), &other_host.key);
    fs::write(town.path("cards/chain.pem"), other_host.certificate).unwrap();
    assert!(issue().contains("expected a certificate for the host of https://cards.example.org"), "{}", issue());
    let own = rcgen::generate_simple_self_signed(["cards.example.org".into()]).unwrap();
    fs::remove_file(town.path("cards/issuer.pem")).unwrap();
    write_secret(&town.path("cards/issuer.pem"), &own.key_pair.serialize_pem());
    fs::write(town.path("cards/chain.pem"), own.cert.pem()).unwrap();
    assert!(issue().contains("found a self-signed one"), "{}", issue());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs openvc-core in target/cards: .ci/run installs it"]
async fn openvc_follows_the_certificates_to_their_anchor() {
    let town = Town::new().await;
    let (authority, _) = certified(&town);
    let key = holder(100);
    let card = town.card(&key);
    town.status();
    town.show(&card, &key, TOWN, "once");
    let read = |name: &str| fs::read_to_string(town.path(name)).unwrap();
    let case = json!({ "name": "x5c", "presentation": read("shown.sdjwt"), "audience": TOWN, "nonce": "once", "status": read("status") });
    let said = |anchor: String| -> Value {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let asked = town.path("asked.json");
        fs::write(&asked, json!({ "cases": [case.clone()], "anchors": [anchor] }).to_string()).unwrap();
        let mut python = Command::new(here.join("../../target/cards/bin/python"));
        python.arg(here.join("../../protocol/card/tests/openvc_verifier.py")).stdin(fs::File::open(asked).unwrap());
        let output = python.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let good = said(authority.pem());
    assert_eq!(good["claims"]["rated_power_w"], json!(100_000), "{good}");
    let refused = said(Trust::new("another trust service").pem());
    assert!(refused["refused"].as_str().unwrap().contains("x5c"), "{refused}");
}

/// The shell commands of a section of a page, block by block.
fn blocks(page: &str, section: &str) -> Vec<String> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page)).unwrap();
    let (_, rest) = page.split_once(&format!("\n## {section}\n")).expect("the section is there");
    let section = rest.split("\n## ").next().unwrap();
    section.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_pages_lead_from_a_key_to_an_accepted_card() {
    let town = Town::new().await;
    let operators: [String; 5] = blocks("operator.md", "Members' cards").try_into().unwrap();
    let [init, issue, away, challenge, verify] = operators;
    let [key, present]: [String; 2] =
        blocks("prosumer.md", "Show that you are a member, and no more").try_into().unwrap();
    let script = format!(
        "{{ {init} }} > init.out\nISSUER=$(sed -n 's/^issuer *//p' init.out)\n{key}{issue}{challenge}{present}{verify}\
         place=$(meter-agent credential show town.sdjwt | sed -n 's/^place *\\([0-9]*\\).*/\\1/p')\n{}",
        away.replace("withdraw 17", "withdraw $place")
    );
    let bin = Path::new(env!("CARGO_BIN_EXE_market")).parent().unwrap();
    assert!(bin.join("meter-agent").exists(), "meter-agent is not built: run `cargo test --workspace`");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new("bash");
    bash.args(["-eu", "-o", "pipefail", "-c", &script]).env("PATH", path).current_dir(town.directory.path());
    let output = bash.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    for expected in
        ["it has signed this card", "rated_power_w  100000", "good: a member's card", "counts no more", "has no name"]
    {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
}
