//! Named classes of paths, such as `ci` or `docs`: one table, from which contract, reference and messages are made.
//!
//! A class is what people mean by its name, judged by the path alone. It is matched without regard to capitals and
//! disguises: some disks tell neither apart, and `.GitHub/workflows` is run all the same.

use std::sync::LazyLock;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::rel_path::folded;

/// A class of paths.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Class {
    /// What continuous integration runs.
    Ci,
    /// What git runs, or takes orders from.
    Hooks,
    /// What is built in, and from where.
    Dependencies,
    /// How it is built.
    Build,
    /// What decides how tests run.
    TestConfig,
    /// What an editor or a shell runs when the folder is opened.
    Editor,
    /// What other agents obey.
    Agents,
    /// Lock files alone.
    Lockfiles,
    /// What a program has written.
    Generated,
    /// Settings.
    Config,
    /// What is written for people.
    Docs,
    /// Tests.
    Tests,
    /// Keys, passwords and tokens.
    Secrets,
}

/// There is no such class.
#[derive(Debug, Error)]
#[error("there is no class `{}`; there are {}", .0.escape_debug(), names())]
pub struct UnknownClass(String);

/// One class.
#[derive(Debug)]
pub struct Row {
    /// Which.
    pub class: Class,
    /// Its name in contracts.
    pub name: &'static str,
    /// Who runs its files later, outside of our sandbox. Such a class is sensitive.
    pub runs: Option<&'static str>,
    /// What belongs to it, at any depth; what begins with `/`, at the top.
    pub globs: &'static [&'static str],
    /// What does not belong to it all the same.
    pub except: &'static [&'static str],
}

/// Every class.
pub const CLASSES: &[Row] = &[
    Row {
        class: Class::Ci,
        name: "ci",
        runs: Some("your CI runs them"),
        #[rustfmt::skip]
        globs: &[
            ".github/workflows/**", ".github/actions/**", "action.yml", "action.yaml", ".github/dependabot.y*ml",
            ".gitlab-ci.y*ml", ".gitlab/**", ".circleci/**", "jenkinsfile*", "azure-pipelines*.y*ml",
            ".azure-pipelines/**", ".travis.yml", "bitbucket-pipelines.yml", ".buildkite/**", ".drone.y*ml",
            ".woodpecker.y*ml", ".woodpecker/**", ".teamcity/**", "appveyor.yml", ".appveyor.yml", ".cirrus.yml",
            ".forgejo/**", ".gitea/**", "buildspec.y*ml", "cloudbuild.y*ml", ".ci/**", "/ci/**", ".builds/**",
        ],
        except: &[],
    },
    Row {
        class: Class::Hooks,
        name: "hooks",
        runs: Some("git runs or obeys them"),
        #[rustfmt::skip]
        globs: &[
            ".husky/**", ".githooks/**", ".git-hooks/**", ".hooks/**", ".pre-commit-config.y*ml", ".pre-commit-hooks.y*ml",
            "lefthook.y*ml", ".lefthook.y*ml", "lefthook.toml", ".lefthook/**", ".lintstagedrc*", "lint-staged.config.*",
            ".overcommit.yml", ".huskyrc*", ".gitattributes", ".gitmodules", ".gitconfig",
        ],
        except: &[],
    },
    Row {
        class: Class::Dependencies,
        name: "dependencies",
        runs: Some("a package manager runs what they name"),
        #[rustfmt::skip]
        globs: &[
            "cargo.toml", "cargo.lock", "package.json", "package-lock.json", "npm-shrinkwrap.json", "yarn.lock",
            "pnpm-lock.yaml", "pnpm-workspace.yaml", "bun.lock", "bun.lockb", "deno.json", "deno.jsonc", "deno.lock",
            ".npmrc", ".yarnrc*", ".yarn/**", ".pnp.*", ".pnpmfile.*", "bunfig.toml", "lerna.json", "bower.json",
            "pyproject.toml", "setup.py", "setup.cfg", "requirements*.txt", "requirements*.in", "requirements/**",
            "constraints*.txt", "pipfile", "pipfile.lock", "poetry.lock", "uv.lock", "uv.toml", "pdm.lock", "pixi.toml",
            "pixi.lock", "environment.y*ml", "pip.conf", "gemfile", "gemfile.lock", "*.gemspec", "go.mod", "go.sum",
            "go.work", "go.work.sum", "composer.json", "composer.lock", "pom.xml", "*.gradle", "*.gradle.kts",
            "gradle.lockfile", "gradle.properties", "gradle/**", "mix.exs", "mix.lock", "rebar.config", "rebar.lock",
            "*.csproj", "*.fsproj", "*.vbproj", "*.sln", "*.slnx", "nuget.config", "packages.config",
            "packages.lock.json", "directory.*.props", "directory.*.targets", "global.json", "package.swift",
            "package.resolved", "podfile", "podfile.lock", "cartfile*", "pubspec.yaml", "pubspec.lock", "conanfile.*",
            "vcpkg.json", "flake.nix", "flake.lock", "default.nix", "shell.nix", "*.cabal", "cabal.project*",
            "stack.yaml*", "*.opam", "dune-project", "build.sbt", "project/*.sbt", "deps.edn", "project.clj",
            "module.bazel*", "workspace", "workspace.bazel", "renv.lock", "project.toml", "manifest.toml", "cpanfile*",
            "/vendor/**", "third_party/**", "node_modules/**",
        ],
        except: &[],
    },
    Row {
        class: Class::Build,
        name: "build",
        runs: Some("your next build runs them"),
        #[rustfmt::skip]
        globs: &[
            "build.rs", "makefile", "makefile.*", "gnumakefile", "*.mk", "*.mak", "cmakelists.txt", "*.cmake",
            "cmakepresets.json", "meson.build", "meson_options.txt", "configure", "configure.ac", "*.am", "*.m4",
            "autogen.sh", "sconstruct", "sconscript", "wscript", "justfile", ".justfile", "taskfile.y*ml", "rakefile",
            "*.rake", "gulpfile.*", "gruntfile.*", "webpack.config.*", "vite.config.*", "rollup.config.*",
            "esbuild.config.*", "rspack.config.*", "tsup.config.*", "turbo.json", "nx.json", "babel.config.*",
            ".babelrc*", "postcss.config.*", "tailwind.config.*", "next.config.*", "nuxt.config.*", "svelte.config.*",
            "astro.config.*", "metro.config.*", "eslint.config.*", ".eslintrc*", "prettier.config.*", ".prettierrc*",
            "stylelint.config.*", ".swcrc", "tsconfig*.json", "dockerfile*", "*.dockerfile", "containerfile*",
            "docker-compose*.y*ml", "compose.y*ml", "compose.*.y*ml", "vagrantfile", "procfile", "tiltfile", "skaffold.y*ml",
            "build", "build.bazel", "*.bzl", ".bazelrc", ".bazelversion", ".cargo/**", "rust-toolchain*", "clippy.toml",
            "gradlew*", "mvnw*", ".mvn/**", "noxfile.py", "fabfile.py", "dodo.py", "hatch_build.py", "conf.py",
            "magefile.go", ".goreleaser.y*ml", ".golangci.y*ml", ".swiftlint.yml", "dangerfile*", "*.tf", "ansible.cfg",
        ],
        except: &[],
    },
    Row {
        class: Class::TestConfig,
        name: "test_config",
        runs: Some("your next test run obeys them"),
        #[rustfmt::skip]
        globs: &[
            "conftest.py", "pytest.ini", ".pytest.ini", "pytest.toml", "tox.ini", "tox.toml", ".coveragerc",
            "jest.config.*", "jest.setup.*", "vitest.config.*", "vitest.workspace.*", "vitest.setup.*", "karma.conf.*",
            ".mocharc*", "ava.config.*", ".nycrc*", "playwright.config.*", "cypress.config.*", "wdio.conf.*",
            "phpunit.xml*", ".rspec", "spec_helper.rb", "rails_helper.rb", "test_helper.rb", "nextest.toml",
            ".config/nextest.toml", "sitecustomize.py", "usercustomize.py", "*.pth", "testng.xml",
            "junit-platform.properties", "*.runsettings", "codecov.y*ml", ".codecov.y*ml",
        ],
        except: &[],
    },
    Row {
        class: Class::Editor,
        name: "editor",
        runs: Some("an editor or a shell runs them when the folder is opened"),
        #[rustfmt::skip]
        globs: &[
            ".vscode/**", "*.code-workspace", ".idea/**", "*.iml", ".fleet/**", ".zed/**", ".vs/**", ".devcontainer/**",
            ".devcontainer.json", ".gitpod.yml", ".nvim.lua", ".nvimrc", ".vimrc", ".exrc", ".dir-locals.el",
            ".sublime-project", "*.sublime-project", ".envrc", ".mise.toml", "mise.toml", ".tool-versions", ".autoenv*",
            ".replit", "replit.nix",
        ],
        except: &[],
    },
    Row {
        class: Class::Agents,
        name: "agents",
        runs: Some("agents obey them"),
        #[rustfmt::skip]
        globs: &[
            "agents.md", "agents.*.md", "agent.md", "claude.md", "claude.*.md", "gemini.md", "qwen.md", "copilot.md",
            ".agents/**", ".claude/**", ".codex/**", ".cursor/**", ".cursorrules", ".cursorignore", ".windsurf/**",
            ".windsurfrules", ".clinerules", ".clinerules/**", ".roo/**", ".roorules*", ".kilocode/**", ".aider*",
            ".gemini/**", ".qwen/**", ".continue/**", ".opencode/**", "opencode.json*", ".goosehints", ".goose/**",
            ".junie/**", ".augment/**", ".amazonq/**", ".kiro/**", ".trae/**", ".github/copilot-instructions.md",
            ".github/instructions/**", ".github/prompts/**", ".github/agents/**", ".github/chatmodes/**", ".mcp.json",
            "mcp.json", ".chargehand/**", "skill.md",
        ],
        except: &[],
    },
    Row {
        class: Class::Lockfiles,
        name: "lockfiles",
        runs: None,
        #[rustfmt::skip]
        globs: &[
            "*.lock", "*.lockb", "package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "packages.lock.json",
            "gradle.lockfile", "go.sum", "go.work.sum", "package.resolved", "cabal.project.freeze", "stack.yaml.lock",
            "module.bazel.lock", "manifest.toml",
        ],
        except: &[],
    },
    Row {
        class: Class::Generated,
        name: "generated",
        runs: None,
        #[rustfmt::skip]
        globs: &[
            "generated/**", "__generated__/**", "*.generated.*", "*_generated.*", "*.gen.*", "*.g.dart",
            "*.freezed.dart", "*.g.cs", "*.designer.cs", "*.pb.go", "*.pb.cc", "*.pb.h", "*.pb.swift", "*_pb2.py",
            "*_pb2.pyi", "*_pb2_grpc.py", "*_pb.js", "*_pb.d.ts", "*.min.js", "*.min.css", "*.js.map", "*.css.map",
            "*.snap", "/dist/**", "/target/**", "/out/**", "/coverage/**", ".next/**", ".nuxt/**", "__pycache__/**",
            "*.pyc", "*.class", "*.o", "*.obj", "*.so", "*.dll", "*.dylib", "*.exe",
        ],
        except: &[],
    },
    Row {
        class: Class::Config,
        name: "config",
        runs: None,
        #[rustfmt::skip]
        globs: &[
            "*.toml", "*.ini", "*.cfg", "*.conf", "*.config", "*.properties", "*.y*ml", "*.plist", "*.config.*",
            ".*rc", ".*rc.*", "*.rc", "config/**", ".config/**", ".env*", ".editorconfig", ".gitattributes", ".gitignore",
            ".dockerignore", "tsconfig*.json", "jsconfig*.json", "appsettings*.json", "package.json", "/*.json",
            "/.*",
        ],
        except: &[],
    },
    Row {
        class: Class::Docs,
        name: "docs",
        runs: None,
        #[rustfmt::skip]
        globs: &[
            "*.md", "*.markdown", "*.mdx", "*.rst", "*.adoc", "*.asciidoc", "*.org", "*.tex", "*.pod", "*.man",
            "docs/**", "doc/**", "documentation/**", "readme", "readme.txt", "changelog", "changelog.txt", "changes",
            "news", "history", "contributing", "authors", "authors.txt", "security", "license", "license.txt",
            "license-mit*", "license-apache*", "licence", "licence.txt", "copying", "copying.*", "notice", "notice.txt",
        ],
        except: &[],
    },
    Row {
        class: Class::Tests,
        name: "tests",
        runs: None,
        #[rustfmt::skip]
        globs: &[
            "tests/**", "test/**", "__tests__/**", "spec/**", "testdata/**", "e2e/**",
            "test_*.*", "*_test.*", "*_tests.*", "*.test.*", "*.tests.*", "*.spec.*", "*_spec.*", "*test.java",
            "*tests.java", "*test.kt", "*tests.cs", "*test.php", "conftest.py", "*.snap", "*.feature",
        ],
        except: &[],
    },
    Row {
        class: Class::Secrets,
        name: "secrets",
        runs: None,
        #[rustfmt::skip]
        globs: &[
            ".env", ".env.*", "prod.env", "production.env", ".envrc", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks",
            "*.keystore", "*.kdbx",
            "*.ppk", "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", ".ssh/**", ".gnupg/**", ".aws/**", ".azure/**",
            ".kube/**", "kubeconfig*", ".netrc", "_netrc", ".npmrc", ".pypirc", ".git-credentials", ".htpasswd",
            ".pgpass", ".my.cnf", "credentials", "credentials.json", "credentials.toml", "secrets", "secrets.*",
            "*.secret", "*.secrets", "service-account*.json", "*.tfvars", "*.tfstate", "*.ovpn", "master.key",
        ],
        except: &[
            ".env.example",
            ".env.*.example",
            ".env.sample",
            ".env.template",
            ".env.dist",
            ".env.defaults",
            "*.pub",
            "secrets.rs",
            "secrets.py",
            "secrets.go",
            "secrets.js",
            "secrets.ts",
            "secrets.java",
            "secrets.md",
        ],
    },
];

impl Class {
    /// Returns its row of the table.
    ///
    /// # Panics
    ///
    /// Never: a test looks each class up.
    #[must_use]
    pub fn row(self) -> &'static Row {
        CLASSES.iter().find(|row| row.class == self).expect("each class has a row")
    }

    /// Returns the name that contracts use.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Parses the name that contracts use.
    ///
    /// # Errors
    ///
    /// [`UnknownClass`] lists all names.
    pub fn parse(name: &str) -> Result<Self, UnknownClass> {
        let row = CLASSES.iter().find(|row| row.name == name);
        row.map(|row| row.class).ok_or_else(|| UnknownClass(name.to_owned()))
    }
}

impl TryFrom<String> for Class {
    type Error = UnknownClass;

    fn try_from(name: String) -> Result<Self, UnknownClass> {
        Self::parse(&name)
    }
}

impl From<Class> for &'static str {
    fn from(class: Class) -> Self {
        class.name()
    }
}

fn names() -> String {
    CLASSES.iter().map(|row| row.name).collect::<Vec<_>>().join(", ")
}

/// The table, ready to be asked.
#[derive(Debug)]
pub(super) struct Classes {
    globs: GlobSet,
    /// The class of each glob.
    of: Vec<Class>,
    except: GlobSet,
    /// The class of each exception.
    except_of: Vec<Class>,
}

impl Classes {
    /// Returns the table, which is compiled once: that takes ten milliseconds, more than all else of a contract.
    pub(super) fn get() -> &'static Self {
        static COMPILED: LazyLock<Classes> = LazyLock::new(|| {
            let (globs, of) = compile(|row| row.globs);
            let (except, except_of) = compile(|row| row.except);
            Classes { globs, of, except, except_of }
        });
        &COMPILED
    }

    /// Returns the classes of `path`, each once, in the order of the table.
    pub(super) fn of(&self, path: &str) -> Vec<Class> {
        let path = folded(path);
        let mut found: Vec<Class> =
            self.globs.matches(&path).iter().map(|at| self.of[*at]).collect();
        let excepted = self.except.matches(&path);
        found.retain(|class| !excepted.iter().any(|at| self.except_of[*at] == *class));
        found.dedup();
        found
    }
}

/// Compiles one column of the table, in its order.
fn compile(column: impl Fn(&Row) -> &'static [&'static str]) -> (GlobSet, Vec<Class>) {
    let (mut set, mut of) = (GlobSetBuilder::new(), Vec::new());
    for row in CLASSES {
        for text in column(row) {
            let anywhere = format!("**/{text}");
            let text = text.strip_prefix('/').unwrap_or(&anywhere);
            let glob = GlobBuilder::new(text).literal_separator(true).build();
            set.add(glob.expect("a test compiles the table"));
            of.push(row.class);
        }
    }
    (set.build().expect("a test compiles the table"), of)
}
