//! The map in `ARCHITECTURE.md` is true: no file imports, directly or round a corner, a file that imports it, and
//! crates import only what is drawn there.
//!
//! A file's imports are the paths in it that lead to another file of its crate, through whatever hands the name on.
//! That a file names the files of its own modules is no import: they are its parts. Tests inside a file are left out.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use syn::{
    Attribute, Item, ItemMod, UseTree, Visibility,
    visit::{self, Visit},
};

/// Where a module is: its names from the root of its crate.
type Module = Vec<String>;

/// What a file says.
struct Source {
    path: PathBuf,
    /// Every path in it, and the inline module in which it stands.
    paths: Vec<(Module, Vec<String>)>,
}

/// A crate's files, by module, and the names that modules hand on.
#[derive(Default)]
struct Crate {
    sources: BTreeMap<Module, Source>,
    /// The module and name under which something is known, and the path that leads to it.
    aliases: BTreeMap<(Module, String), Vec<String>>,
}

impl Crate {
    fn read(root: &Path) -> Crate {
        let mut found = Crate::default();
        for name in ["lib.rs", "main.rs"] {
            let path = root.join("src").join(name);
            if path.exists() {
                found.read_file(path, Module::new());
            }
        }
        found
    }

    fn read_file(&mut self, path: PathBuf, module: Module) {
        let text = fs::read_to_string(&path).unwrap();
        let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut reader = Reader { module: module.clone(), paths: Vec::new(), found: self, children: Vec::new() };
        reader.visit_file(&file);
        let (paths, children) = (reader.paths, reader.children);
        let is_root = path.ends_with("lib.rs") || path.ends_with("main.rs") || path.ends_with("mod.rs");
        let own = path.with_extension("");
        let directory = if is_root { path.parent().unwrap() } else { own.as_path() };
        for (inline, name) in children {
            let folder = inline[module.len()..].iter().fold(directory.to_owned(), |folder, name| folder.join(name));
            let candidates = [folder.join(format!("{name}.rs")), folder.join(&name).join("mod.rs")];
            let child = candidates.into_iter().find(|path| path.exists());
            let child = child.unwrap_or_else(|| panic!("{}: no file for `mod {name}`", path.display()));
            self.read_file(child, [inline, vec![name]].concat());
        }
        // A program's root beside a library's has its modules, and is read as one with it.
        let source = self.sources.entry(module).or_insert(Source { path, paths: Vec::new() });
        source.paths.extend(paths);
    }

    /// The module whose file a module is in.
    fn file_of<'a>(&self, module: &'a [String]) -> &'a [String] {
        let mut module = module;
        while !self.sources.contains_key(module) {
            module = &module[..module.len() - 1];
        }
        module
    }

    fn is_module(&self, module: &[String]) -> bool {
        self.sources.keys().any(|known| known.starts_with(module))
    }

    /// The file to which a path leads, seen from a module.
    fn target(&self, from: &[String], path: &[String], depth: usize) -> Option<Module> {
        let (mut module, mut rest): (Module, &[String]) = match path.first()?.as_str() {
            "crate" => (Module::new(), &path[1..]),
            "self" => (from.to_vec(), &path[1..]),
            "super" => {
                let ups = path.iter().take_while(|name| *name == "super").count();
                (from[..from.len().checked_sub(ups)?].to_vec(), &path[ups..])
            }
            name => {
                let child = [from, &[name.to_owned()]].concat();
                let known =
                    self.sources.contains_key(&child) || self.aliases.contains_key(&(from.to_vec(), name.into()));
                if !known {
                    return None;
                }
                (from.to_vec(), path)
            }
        };
        while let Some(name) = rest.first() {
            let child = [&module[..], std::slice::from_ref(name)].concat();
            if self.is_module(&child) {
                (module, rest) = (child, &rest[1..]);
                continue;
            }
            if depth < 8
                && let Some(alias) = self.aliases.get(&(module.clone(), name.clone()))
            {
                let path = [&alias[..], &rest[1..]].concat();
                return self.target(&module, &path, depth + 1);
            }
            break;
        }
        Some(self.file_of(&module).to_vec())
    }

    /// Which file imports which, both by module.
    fn arrows(&self) -> BTreeMap<&Module, BTreeSet<Module>> {
        let arrows = |(module, source): &(&'_ Module, &Source)| -> BTreeSet<Module> {
            let targets = source.paths.iter().filter_map(|(from, path)| self.target(from, path, 0));
            targets.filter(|target| target != *module && !target.starts_with(module)).collect()
        };
        self.sources.iter().map(|entry| (entry.0, arrows(&entry))).collect()
    }

    /// The files that import each other, directly or round a corner.
    fn circles(&self) -> Vec<String> {
        let arrows = self.arrows();
        let mut circles = Vec::new();
        for start in arrows.keys() {
            let mut ways: BTreeMap<&Module, &Module> = BTreeMap::new();
            let mut open: Vec<&Module> = vec![start];
            while let Some(at) = open.pop() {
                for next in &arrows[at] {
                    if !ways.contains_key(next) {
                        ways.insert(next, at);
                        open.push(next);
                    }
                }
            }
            if let Some(mut at) = ways.get(*start) {
                let mut way = vec![self.named(start), self.named(at)];
                while at != start {
                    at = &ways[*at];
                    way.push(self.named(at));
                }
                way.reverse();
                circles.push(way.join(" -> "));
            }
        }
        circles
    }

    fn named(&self, module: &Module) -> String {
        self.sources[module].path.display().to_string()
    }
}

struct Reader<'a> {
    module: Module,
    paths: Vec<(Module, Vec<String>)>,
    found: &'a mut Crate,
    children: Vec<(Module, String)>,
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
    })
}

impl Reader<'_> {
    fn read_use(&mut self, tree: &UseTree, before: &[String]) {
        let and = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.read_use(&path.tree, &and(&path.ident)),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.read_use(tree, before)),
            UseTree::Name(name) if name.ident == "self" => self.hand_on(before.last().cloned(), before.to_vec()),
            UseTree::Name(name) => self.hand_on(Some(name.ident.to_string()), and(&name.ident)),
            UseTree::Rename(name) => self.hand_on(Some(name.rename.to_string()), and(&name.ident)),
            UseTree::Glob(_) => self.paths.push((self.module.clone(), before.to_vec())),
        }
    }

    fn hand_on(&mut self, name: Option<String>, path: Vec<String>) {
        self.paths.push((self.module.clone(), path.clone()));
        if let Some(name) = name {
            self.found.aliases.insert((self.module.clone(), name), path);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            _ => &Vec::new(),
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if is_test(&item.attrs) {
            return;
        }
        let name = item.ident.to_string();
        match &item.content {
            Some((_, items)) => {
                self.module.push(name);
                items.iter().for_each(|item| self.visit_item(item));
                self.module.pop();
            }
            None => self.children.push((self.module.clone(), name)),
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.read_use(&item.tree, &[]);
    }

    /// Says who may see something, and imports nothing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.paths.push((self.module.clone(), names));
        visit::visit_path(self, path);
    }
}

/// What brings a clock, a socket, a disk, threads or randomness along, as paths begin or go on.
const IMPURE: [&[&str]; 15] = [
    &["tokio"],
    &["rumqttc"],
    &["axum"],
    &["public_http"],
    &["ledger_client"],
    &["sled"],
    &["getrandom"],
    &["std", "env"],
    &["std", "fs"],
    &["std", "io"],
    &["std", "net"],
    &["std", "process"],
    &["std", "thread"],
    &["SystemTime"],
    &["Instant", "now"],
];

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folders of all crates.
fn crates() -> Vec<String> {
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let members = manifest["workspace"]["members"].as_array().unwrap();
    members.iter().map(|member| member.as_str().unwrap().to_owned()).collect()
}

/// What ARCHITECTURE.md says of each crate's imports.
fn drawn() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let table = text.split("| crate | imports |").nth(1).expect("a table of imports");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let row = |line: &str| {
        let mut names = line.split('`').skip(1).step_by(2).map(str::to_owned);
        (names.next().expect("a crate"), names.collect())
    };
    rows.map(row).collect()
}

/// Which crates of ours each crate imports. What only tests import is left out.
fn found() -> BTreeMap<String, BTreeSet<String>> {
    let manifest = |folder: &String| -> toml::Table {
        fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap().parse().unwrap()
    };
    let manifests: Vec<toml::Table> = crates().iter().map(manifest).collect();
    let name = |manifest: &toml::Table| manifest["package"]["name"].as_str().unwrap().to_owned();
    let ours: BTreeSet<String> = manifests.iter().map(name).collect();
    let imports = |manifest: &toml::Table| {
        let dependencies = manifest.get("dependencies").and_then(|table| table.as_table());
        dependencies.into_iter().flat_map(|table| table.keys()).filter(|name| ours.contains(*name)).cloned().collect()
    };
    manifests.iter().map(|manifest| (name(manifest), imports(manifest))).collect()
}

#[test]
fn crates_import_what_is_drawn_and_no_more() {
    assert_eq!(found(), drawn(), "found in the manifests, and drawn in ARCHITECTURE.md");
}

#[test]
fn no_file_imports_a_file_that_imports_it() {
    let circles: Vec<String> = crates().iter().flat_map(|folder| Crate::read(&root().join(folder)).circles()).collect();
    assert!(circles.is_empty(), "{} files are in circles:\n{}", circles.len(), circles.join("\n"));
}

#[test]
fn the_pure_core_knows_no_shape_of_the_api() {
    for folder in ["market", "ledger"] {
        for Source { path, paths } in Crate::read(&root().join(folder)).sources.values() {
            let of_api = |names: &[String]| names.len() > 1 && names[0] == "protocol" && names[1] == "api";
            let found = paths.iter().find(|(_, names)| of_api(names));
            assert!(found.is_none(), "{}: {found:?}", path.display());
        }
    }
}

#[test]
fn what_the_deciders_import_knows_no_clock_no_socket_no_disk_and_no_randomness() {
    for (folder, decider, files) in [("meter-agent", "agent::core", 6), ("market/service", "decide", 1)] {
        let found = Crate::read(&root().join(folder));
        let arrows = found.arrows();
        let decider: Module = decider.split("::").map(str::to_owned).collect();
        let mut open: Vec<&Module> = found.sources.keys().filter(|module| module.starts_with(&decider)).collect();
        assert!(open.len() >= files, "{folder}: {open:?}");
        let mut reached: BTreeSet<&Module> = open.iter().copied().collect();
        while let Some(module) = open.pop() {
            let paths = &found.sources[module].paths;
            let is_impure =
                |path: &[String]| IMPURE.iter().any(|names| path.windows(names.len()).any(|part| part == *names));
            let impure = paths.iter().find(|(_, path)| is_impure(path));
            assert!(impure.is_none(), "{}: {impure:?}", found.named(module));
            open.extend(arrows[module].iter().filter(|target| reached.insert(target)));
        }
    }
}
