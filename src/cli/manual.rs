//! What the help and the manual page of each command say besides its options: examples, and
//! what its exit status means.
//!
//! Refuses to know what a command does; a test holds it to the commands that there are.

use clap::Command;

/// What is said of a command.
#[derive(Debug)]
pub struct Manual {
    /// Its name.
    pub command: &'static str,
    /// Command lines that are worth to be known.
    pub examples: &'static [&'static str],
    /// What each exit status means.
    pub statuses: &'static [(u8, &'static str)],
    /// A file that it reads, as an example.
    pub file: Option<&'static str>,
}

/// What is said of the program as a whole.
pub const PROGRAM: Manual = Manual {
    command: "",
    examples: &[
        "npcheck lint",
        "npcheck reach shop/web shop/cart -p 8080",
        "npcheck diff git:main",
        "npcheck graph -o html=graph.html",
    ],
    statuses: &[
        (0, "analysed, and the answer is good"),
        (
            1,
            "analysed, and the answer is no: findings, a blocked flow",
        ),
        (
            2,
            "not all of it could be analysed: an unreadable or broken manifest, a wrong option",
        ),
        (3, "nothing to analyse: no Kubernetes object found"),
        (101, "npcheck failed: a bug, please report it"),
    ],
    file: None,
};

/// Expected flows.
const TEST_FILE: &str = "\
tests:
  - name: web talks to cart
    allow: {from: shop/web, to: shop/svc/cart, ports: [http]}
  - name: only the api reaches the database
    only: {to: db/pg, ports: [5432], from: [shop/api]}
  - name: dev never reaches prod
    deny: {from: {namespace: {env: dev}}, to: {namespace: {env: prod}}}
  - name: nothing from the internet in three hops
    unreachable: {from: internet, to: db/pg, hops: 3}
  - name: this cleanup opens nothing
    narrowerThan: git:main";

const NOTHING: (u8, &str) = (3, "no Kubernetes object found");

const UNREADABLE: (u8, &str) = (
    2,
    "not all of it could be read, or an option or the configuration is wrong",
);

/// What is said of each command, in the order of the help.
pub const COMMANDS: &[Manual] = &[
    Manual {
        command: "lint",
        examples: &[
            "npcheck lint",
            "npcheck lint k8s/ --fix --diff",
            "npcheck lint --new-from main -o github",
            "npcheck lint --staged --new-from HEAD",
            "npcheck lint -o full -o sarif=npcheck.sarif",
            "helm template my-chart | npcheck lint -",
        ],
        statuses: &[
            (
                0,
                "no finding at or above --fail-on; with --diff: nothing to fix",
            ),
            (
                1,
                "findings at or above --fail-on; with --diff: there are fixes",
            ),
            (
                2,
                "a manifest could not be read or is not valid YAML, or an option or the configuration is wrong",
            ),
            NOTHING,
        ],
        file: None,
    },
    Manual {
        command: "reach",
        examples: &[
            "npcheck reach shop/web shop/cart -p 8080",
            "npcheck reach shop/web shop/svc/cart -p http k8s/",
            "npcheck reach any shop/db -p 5432 --expect blocked",
            "npcheck reach shop/+app=new internet -p 443",
        ],
        statuses: &[
            (0, "everything asked is allowed, or as --expect says"),
            (1, "something is blocked, or not as --expect says"),
            (
                2,
                "the answer is not known, an end is unknown or ambiguous, or not everything could be read",
            ),
            NOTHING,
        ],
        file: None,
    },
    Manual {
        command: "diff",
        examples: &[
            "npcheck diff git:main",
            "npcheck diff --merge-base origin/main -o markdown",
            "npcheck diff old/ new/ --expect narrower",
            "npcheck diff --staged --fail-on high",
            "npcheck diff git:main -o html=diff.html",
            "kustomize build overlays/prod | npcheck diff git:main:rendered/prod.yaml -",
        ],
        statuses: &[
            (
                0,
                "the same connectivity, or nothing that --fail-on or --expect names",
            ),
            (1, "it differs"),
            (
                2,
                "one state could not be read, or it is not known whether it differs",
            ),
            (3, "no Kubernetes object in either state"),
        ],
        file: None,
    },
    Manual {
        command: "test",
        examples: &[
            "npcheck test",
            "npcheck test k8s/ --tests flows.yaml -o junit=flows.xml",
            "npcheck test --write",
            "npcheck test --strength",
        ],
        statuses: &[
            (0, "all tests pass"),
            (1, "a test fails"),
            (
                2,
                "a test could not fail, or cannot be decided, or not everything could be read",
            ),
            (3, "no tests found, or no Kubernetes object"),
        ],
        file: Some(TEST_FILE),
    },
    Manual {
        command: "paths",
        examples: &[
            "npcheck paths internet db/pg",
            "npcheck paths shop/web db/pg -p 5432 --hops 3 --cut",
            "npcheck paths shop/web",
        ],
        statuses: &[
            (0, "there is no path"),
            (1, "there is one"),
            (
                2,
                "it is not known whether there is one, or not everything could be read",
            ),
            NOTHING,
        ],
        file: None,
    },
    Manual {
        command: "exposure",
        examples: &[
            "npcheck exposure",
            "npcheck exposure --fail-on internet k8s/",
            "npcheck exposure -o csv=exposure.csv",
        ],
        statuses: &[
            (0, "no workload is open to what --fail-on names"),
            (1, "a workload is open to it"),
            UNREADABLE,
            NOTHING,
        ],
        file: None,
    },
    Manual {
        command: "graph",
        examples: &[
            "npcheck graph --to shop/cart",
            "npcheck graph -o html=picture.html",
            "npcheck graph --by namespace -o mermaid",
            "npcheck graph --around shop/web --hops 2 -o svg=web.svg",
        ],
        statuses: &[(0, "all of it was drawn"), UNREADABLE, NOTHING],
        file: None,
    },
    Manual {
        command: "explain",
        examples: &["npcheck explain accidental-or", "npcheck explain --all"],
        statuses: &[(0, "the page was shown"), (2, "there is no such rule")],
        file: None,
    },
    Manual {
        command: "init",
        examples: &[
            "npcheck init",
            "npcheck init k8s/ --hook --ci github",
            "npcheck init --print",
        ],
        statuses: &[
            (0, "the files were written"),
            (
                2,
                "a file already exists or cannot be written, or not everything could be read",
            ),
            NOTHING,
        ],
        file: None,
    },
    Manual {
        command: "config",
        examples: &["npcheck config", "npcheck config k8s/"],
        statuses: &[(0, "the configuration was shown"), UNREADABLE],
        file: None,
    },
    Manual {
        command: "files",
        examples: &["npcheck files", "npcheck files --roots"],
        statuses: &[(0, "everything was read"), UNREADABLE, NOTHING],
        file: None,
    },
    Manual {
        command: "render",
        examples: &[
            "npcheck render overlays/prod",
            "npcheck render Application/shop",
        ],
        statuses: &[
            (0, "it was built"),
            (2, "not all of it could be built"),
            (3, "there is no such root"),
        ],
        file: None,
    },
    Manual {
        command: "schema",
        examples: &["npcheck schema config", "npcheck schema findings"],
        statuses: &[
            (0, "the schema was printed"),
            (2, "there is no such schema"),
        ],
        file: None,
    },
    Manual {
        command: "completions",
        examples: &[
            "npcheck completions bash",
            "npcheck completions fish",
            "npcheck completions nushell",
        ],
        statuses: &[(0, "the script was printed"), (2, "there is no such shell")],
        file: None,
    },
];

impl Manual {
    /// The examples, as the help shows them.
    fn examples(&self) -> String {
        let lines = self.examples.iter().map(|line| format!("\n  {line}"));
        format!("Examples:{}", lines.collect::<String>())
    }

    /// What the exit status means, as the help shows it.
    fn statuses(&self) -> String {
        let lines = self.statuses.iter();
        let lines = lines.map(|(status, meaning)| format!("\n  {status}  {meaning}"));
        format!("Exit status:{}", lines.collect::<String>())
    }
}

/// The command line with what the manual says.
pub(super) fn with_manual(mut command: Command) -> Command {
    for manual in COMMANDS {
        let (examples, statuses) = (manual.examples(), manual.statuses());
        command = command.mut_subcommand(manual.command, |command| {
            let file = manual.file.unwrap_or_default();
            let file = match file.is_empty() {
                true => String::new(),
                false => format!(
                    "\n\nA file that it reads:\n  {}",
                    file.replace('\n', "\n  ")
                ),
            };
            let long = format!("{statuses}\n\n{examples}{file}");
            command.after_help(examples).after_long_help(long)
        });
    }
    command.after_help(PROGRAM.statuses())
}
