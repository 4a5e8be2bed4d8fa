module completions {

  def "nu-complete npcheck" [context: string] {
    let words = ($context | split row " ")
    with-env {NPCHECK_COMPLETE: "fish"} { ^npcheck -- ...$words }
    | lines
    | split column "\t" value description
  }

  def "nu-complete npcheck color" [] {
    [ "auto" "always" "never" ]
  }

  # Offline static analyzer for Kubernetes NetworkPolicies
  export extern npcheck [
    --color: string@"nu-complete npcheck color" # When to use colours
    --quiet(-q)               # Print only what was asked for, and errors
    --verbose(-v)             # Also print what was skipped
    --help(-h)                # Print help (see more with '--help')
    --version(-V)             # Print version
  ]

  def "nu-complete npcheck lint fail_on" [] {
    [ "info" "warning" "error" ]
  }

  def "nu-complete npcheck lint fix" [] {
    [ "safe" "narrowing" "widening" "all" ]
  }

  def "nu-complete npcheck lint min_severity" [] {
    [ "info" "warning" "error" ]
  }

  def "nu-complete npcheck lint show" [] {
    [ "info" ]
  }

  def "nu-complete npcheck lint render" [] {
    [ "auto" "off" "helm" ]
  }

  def "nu-complete npcheck lint color" [] {
    [ "auto" "always" "never" ]
  }

  # Find mistakes and risks in policies
  export extern "npcheck lint" [
    --hidden                  # Read hidden files and directories, too
    --no-ignore               # Read what .gitignore, .ignore and .npcheckignore name, too
    --output(-o): string@"nu-complete npcheck"      # How to show findings, and where: full, concise, json, sarif, github, gitlab, junit or markdown; repeatable
    --fail-on: string@"nu-complete npcheck lint fail_on" # The lowest severity that makes the run fail
    --exit-zero               # Exit with 0 even if there are findings
    --diff                    # Show what --fix would change, and write nothing
    --baseline: path          # Hide the findings that this file records
    --write-baseline: path    # Record the findings in a file, to hide them later
    --staged                  # Look at what is staged in git (the next commit) instead of the files on disk
    --new-from: string@"nu-complete npcheck"        # Report only what this commit does not have: a branch, a tag, a hash, HEAD~2
    --select: string@"nu-complete npcheck"          # Run these rules and no others, whatever the configuration says
    --ignore: string@"nu-complete npcheck"          # Do not run these rules
    --preview                 # Run the rules in preview, too
    --min-severity: string@"nu-complete npcheck lint min_severity" # Leave out findings below this severity
    --show: string@"nu-complete npcheck lint show" # Show infos in full, too, instead of one line for each rule
    --statistics              # Show how many findings each rule has, instead of the findings
    --config: path            # The configuration file; by default the nearest npcheck.yaml, here or in a directory above
    --no-config               # Ignore npcheck.yaml
    --cluster: string@"nu-complete npcheck"         # Look at one cluster of a tree that holds several: a scope of the configuration, or a directory
    --cni: string@"nu-complete npcheck"             # The CNI plugin of the cluster: calico, cilium, ovn-kubernetes, ...
    --render: string@"nu-complete npcheck lint render" # What is built before it is judged
    --helm                    # Run helm for the charts in the tree: `--render helm`
    --complete                # The manifests hold every pod and namespace of the cluster: what is not there does not exist
    --color: string@"nu-complete npcheck lint color" # When to use colours
    --quiet(-q)               # Print only what was asked for, and errors
    --verbose(-v)             # Also print what was skipped
    --help(-h)                # Print help (see more with '--help')
    ...paths: path            # Files, directories, `-` for standard input, or `git:REV[:PATH]`
  ]

  def "nu-complete npcheck reach expect" [] {
    [ "allowed" "blocked" "partly" ]
  }

  def "nu-complete npcheck reach render" [] {
    [ "auto" "off" "helm" ]
  }

  def "nu-complete npcheck reach color" [] {
    [ "auto" "always" "never" ]
  }

  # Ask whether one end can talk to another, and why (not)
  export extern "npcheck reach" [
    --hidden                  # Read hidden files and directories, too
    --no-ignore               # Read what .gitignore, .ignore and .npcheckignore name, too
    --port(-p): string@"nu-complete npcheck"        # A port of the destination: 8080, 53/udp, http, 8000-8100; all ports if omitted
    --namespace(-n): string@"nu-complete npcheck"   # The namespace of names without one
    --output(-o): string@"nu-complete npcheck"      # How to show the answer, and where: text or json; repeatable
    --expect: string@"nu-complete npcheck reach expect" # Succeed if the answer is this one
    --all-pairs               # One line for every pair, even where many have one outcome
    --config: path            # The configuration file; by default the nearest npcheck.yaml, here or in a directory above
    --no-config               # Ignore npcheck.yaml
    --cluster: string@"nu-complete npcheck"         # Look at one cluster of a tree that holds several: a scope of the configuration, or a directory
    --cni: string@"nu-complete npcheck"             # The CNI plugin of the cluster: calico, cilium, ovn-kubernetes, ...
    --render: string@"nu-complete npcheck reach render" # What is built before it is judged
    --helm                    # Run helm for the charts in the tree: `--render helm`
    --complete                # The manifests hold every pod and namespace of the cluster: what is not there does not exist
    --staged-policies         # Treat Calico's staged policies as live, in place of the policies that they replace
    --color: string@"nu-complete npcheck reach color" # When to use colours
    --quiet(-q)               # Print only what was asked for, and errors
    --verbose(-v)             # Also print what was skipped
    --help(-h)                # Print help (see more with '--help')
    from: string@"nu-complete npcheck"              # Who opens the connection
    to: string@"nu-complete npcheck"                # The destination
    ...paths: path            # Files, directories, `-` for standard input, or `git:REV[:PATH]`
  ]

  def "nu-complete npcheck diff fail_on" [] {
    [ "any" "opened" "closed" "high" "medium" "low" "never" ]
  }

  def "nu-complete npcheck diff expect" [] {
    [ "same" "narrower" "wider" ]
  }

  def "nu-complete npcheck diff render" [] {
    [ "auto" "off" "helm" ]
  }

  def "nu-complete npcheck diff color" [] {
    [ "auto" "always" "never" ]
  }

  # Show what a change opens and closes
  export extern "npcheck diff" [
    --staged                  # The state after is what is staged in git; BEFORE is HEAD if left out
    --merge-base: string@"nu-complete npcheck"      # The state before is the merge base of HEAD and this revision
    --focus: string@"nu-complete npcheck"           # Only what touches these ends
    --from: string@"nu-complete npcheck"            # Only flows from these ends
    --to: string@"nu-complete npcheck"              # Only flows to these ends
    --all                     # List the flows of new and gone workloads, and every name
    --why                     # Say what decides about each flow, before and after
    --fail-on: string@"nu-complete npcheck diff fail_on" # What makes the run exit with 1
    --expect: string@"nu-complete npcheck diff expect" # Succeed if connectivity is as said
    --output(-o): string@"nu-complete npcheck"      # How to show it, and where: text, json, markdown, github, csv, dot, mermaid or html; repeatable
    --hidden                  # Read hidden files and directories, too
    --no-ignore               # Read what .gitignore, .ignore and .npcheckignore name, too
    --config: path            # The configuration file; by default the nearest npcheck.yaml, here or in a directory above
    --no-config               # Ignore npcheck.yaml
    --cluster: string@"nu-complete npcheck"         # Look at one cluster of a tree that holds several: a scope of the configuration, or a directory
    --cni: string@"nu-complete npcheck"             # The CNI plugin of the cluster: calico, cilium, ovn-kubernetes, ...
    --render: string@"nu-complete npcheck diff render" # What is built before it is judged
    --helm                    # Run helm for the charts in the tree: `--render helm`
    --complete                # The manifests hold every pod and namespace of the cluster: what is not there does not exist
    --staged-policies         # Treat Calico's staged policies as live, in place of the policies that they replace
    --color: string@"nu-complete npcheck diff color" # When to use colours
    --quiet(-q)               # Print only what was asked for, and errors
    --verbose(-v)             # Also print what was skipped
    --help(-h)                # Print help (see more with '--help')
    before?: string@"nu-complete npcheck"           # The state before
    after?: string@"nu-complete npcheck"            # The state after; the work tree if left out
  ]

  def "nu-complete npcheck test render" [] {
    [ "auto" "off" "helm" ]
  }

  def "nu-complete npcheck test color" [] {
    [ "auto" "always" "never" ]
  }

  # Check expected flows, from npcheck-tests.yaml
  export extern "npcheck test" [
    --hidden                  # Read hidden files and directories, too
    --no-ignore               # Read what .gitignore, .ignore and .npcheckignore name, too
    --tests: path             # A file with expected flows, of npcheck or of netassert; repeatable
    --filter: string@"nu-complete npcheck"          # Only tests whose name has this text in it
    --write                   # Print drafts of tests for what is allowed today, and check nothing
    --strength                # Name the policies that could be deleted without any test failing
    --output(-o): string@"nu-complete npcheck"      # How to show it, and where: text, tap, junit, json, markdown or github; repeatable
    --config: path            # The configuration file; by default the nearest npcheck.yaml, here or in a directory above
    --no-config               # Ignore npcheck.yaml
    --cluster: string@"nu-complete npcheck"         # Look at one cluster of a tree that holds several: a scope of the configuration, or a directory
    --cni: string@"nu-complete npcheck"             # The CNI plugin of the cluster: calico, cilium, ovn-kubernetes, ...
    --render: string@"nu-complete npcheck test render" # What is built before it is judged
    --helm                    # Run helm for the charts in the tree: `--render helm`
    --complete                # The manifests hold every pod and namespace of the cluster: what is not there does not exist
    --color: string@"nu-complete npcheck test color" # When to use colours
    --quiet(-q)               # Print only what was asked for, and errors
    --verbose(-v)             # Also print what was skipped
    --help(-h)                # Print help (see more with '--help')
    ...paths: path            # Files, directories, `-` for standard input, or `git:REV[:PATH]`
  ]

  def "nu-complete npcheck paths render" [] {
    [ "auto" "off" "helm" ]
  }

  def "nu-complete npcheck paths color" [] {
    [ "auto" "always" "never" ]
  }

  # Show how one end can get to another, hop by hop
  export extern "npcheck paths" [
    --hidden                  # Read hidden files and directories, too
    --no-ignore               # Read what .gitignore, .ignore and .npcheckignore name, too
    --port(-p): string@"nu-complete npcheck"        # A port that the last hop has to open: 8080, 53/udp, http
    --namespace(-n): string@"nu-complete npcheck"   # The namespace of names without one
    --hops: string@"nu-complete npcheck"            # Only paths of at most this many hops
    --all                     # All paths, not only the shortest ones
    --cut                     # Propose a change that closes all paths, checked against the manifests
    --output(-o): string@"nu-complete npcheck"      # How to show it, and where: text or json; repeatable
    --config: path            # The configuration file; by default the nearest npcheck.yaml, here or in a directory above
    --no-config               # Ignore npcheck.yaml
    --cluster: string@"nu-complete npcheck"         # Look at one cluster of a tree that holds several: a scope of the configuration, or a directory
    --cni: string@"nu-complete npcheck"             # The CNI plugin of the cluster: calico, cilium, ovn-kubernetes, ...
    --render: string@"nu-complete npcheck paths render" # What is built before it is judged
    --helm                    # Run helm for the charts in the tree: `--render helm`
    --complete                # The manifests hold every pod and namespace of the cluster: what is not there does not exist
    --color: string@"nu-complete npcheck paths color" # When to use colours
    --quiet(-q)               # Print only what was asked for, and errors
    --verbose(-v)             # Also print what was skipped
    --help(-h)                # Print help (see more with '--help')
    from: string@"nu-complete npcheck"              # Where paths begin: a workload, labels, `internet`, an address
    to?: string@"nu-complete npcheck"               # Where they end; everywhere if left out
    ...paths: path            # Files, directories, `-` for standard input, or `git:REV[:PATH]`
  ]

  def "nu-complete npcheck exposure fail_on" [] {
    [ "never" "internet" ]
  }

  def "nu-complete npcheck exposure render" [] {
    [ "auto" "off" "helm" ]
  }

  def "nu-complete npcheck exposure color" [] {
    [ "auto" "always" "never" ]
  }

  # Show what each workload is open to
  export extern "npcheck exposure" [
    --hidden                  # Read hidden files and directories, too
    --no-ignore               # Read what .gitignore, .ignore and .npcheckignore name, too
    --namespace(-n): string@"nu-complete npcheck"   # Only workloads of this namespace
    --fail-on: string@"nu-complete npcheck exposure fail_on" # What makes the run exit with 1
    --output(-o): string@"nu-complete npcheck"      # How to show it, and where: text, json, csv or markdown; repeatable
    --config: path            # The configuration file; by default the nearest npcheck.yaml, here or in a directory above
    --no-config               # Ignore npcheck.yaml
    --cluster: string@"nu-complete npcheck"         # Look at one cluster of a tree that holds several: a scope of the configuration, or a directory
    --cni: string@"nu-complete npcheck"             # The CNI plugin of the cluster: calico, cilium, ovn-kubernetes, ...
    --render: string@"nu-complete npcheck exposure render" # What is built before it is judged
    --helm                    # Run helm for the charts in the tree: `--render helm`
    --complete                # The manifests hold every pod and namespace of the cluster: what is not there does not exist
    --color: string@"nu-complete npcheck exposure color" # When to use colours
    --quiet(-q)               # Print only what was asked for, and errors
    --verbose(-v)             # Also print what was skipped
    --help(-h)                # Print help (see more with '--help')
    ...paths: path            # Files, directories, `-` for standard input, or `git:REV[:PATH]`
  ]

  def "nu-complete npcheck graph by" [] {
    [ "workload" "namespace" ]
  }

  def "nu-complete npcheck graph render" [] {
    [ "auto" "off" "helm" ]
  }

  def "nu-complete npcheck graph color" [] {
    [ "auto" "always" "never" ]
  }

  # Print everything that can connect, or a part of it
  export extern "npcheck graph" [
    --hidden                  # Read hidden files and directories, too
    --no-ignore               # Read what .gitignore, .ignore and .npcheckignore name, too
    --namespace(-n): string@"nu-complete npcheck"   # Only flows with an end in this namespace
    --from: string@"nu-complete npcheck"            # Only flows from these ends
    --to: string@"nu-complete npcheck"              # Only flows to these ends
    --around: string@"nu-complete npcheck"          # Only flows near these ends: to them, and from them
    --hops: string@"nu-complete npcheck"            # How many connections in a row --around follows
    --by: string@"nu-complete npcheck graph by" # What is one node
    --output(-o): string@"nu-complete npcheck"      # How to show it, and where: text, json, json-lines, csv, dot, mermaid, svg or html; repeatable
    --config: path            # The configuration file; by default the nearest npcheck.yaml, here or in a directory above
    --no-config               # Ignore npcheck.yaml
    --cluster: string@"nu-complete npcheck"         # Look at one cluster of a tree that holds several: a scope of the configuration, or a directory
    --cni: string@"nu-complete npcheck"             # The CNI plugin of the cluster: calico, cilium, ovn-kubernetes, ...
    --render: string@"nu-complete npcheck graph render" # What is built before it is judged
    --helm                    # Run helm for the charts in the tree: `--render helm`
    --complete                # The manifests hold every pod and namespace of the cluster: what is not there does not exist
    --staged-policies         # Treat Calico's staged policies as live, in place of the policies that they replace
    --color: string@"nu-complete npcheck graph color" # When to use colours
    --quiet(-q)               # Print only what was asked for, and errors
    --verbose(-v)             # Also print what was skipped
    --help(-h)                # Print help (see more with '--help')
    ...paths: path            # Files, directories, `-` for standard input, or `git:REV[:PATH]`
  ]

  def "nu-complete npcheck explain color" [] {
    [ "auto" "always" "never" ]
  }

  # Show a rule's page: what it finds, why that is bad, and what to do
  export extern "npcheck explain" [
    --all                     # List all rules
    --color: string@"nu-complete npcheck explain color" # When to use colours
    --quiet(-q)               # Print only what was asked for, and errors
    --verbose(-v)             # Also print what was skipped
    --help(-h)                # Print help (see more with '--help')
    rule?: string@"nu-complete npcheck"             # The rule's name
  ]

  def "nu-complete npcheck init ci" [] {
    [ "github" "gitlab" ]
  }

  def "nu-complete npcheck init color" [] {
    [ "auto" "always" "never" ]
  }

  # Write an npcheck.yaml for the manifests here
  export extern "npcheck init" [
    --hidden                  # Read hidden files and directories, too
    --no-ignore               # Read what .gitignore, .ignore and .npcheckignore name, too
    --hook                    # Write .pre-commit-config.yaml, too
    --ci: string@"nu-complete npcheck init ci" # Write a job for this CI system, too
    --force                   # Overwrite the files of npcheck that are there
    --print                   # Print what would be written, and write nothing
    --color: string@"nu-complete npcheck init color" # When to use colours
    --quiet(-q)               # Print only what was asked for, and errors
    --verbose(-v)             # Also print what was skipped
    --help(-h)                # Print help (see more with '--help')
    ...paths: path            # Files, directories, `-` for standard input, or `git:REV[:PATH]`
  ]

  def "nu-complete npcheck config render" [] {
    [ "auto" "off" "helm" ]
  }

  def "nu-complete npcheck config color" [] {
    [ "auto" "always" "never" ]
  }

  # Show the configuration that is in force, and where it comes from
  export extern "npcheck config" [
    --hidden                  # Read hidden files and directories, too
    --no-ignore               # Read what .gitignore, .ignore and .npcheckignore name, too
    --config: path            # The configuration file; by default the nearest npcheck.yaml, here or in a directory above
    --no-config               # Ignore npcheck.yaml
    --cluster: string@"nu-complete npcheck"         # Look at one cluster of a tree that holds several: a scope of the configuration, or a directory
    --cni: string@"nu-complete npcheck"             # The CNI plugin of the cluster: calico, cilium, ovn-kubernetes, ...
    --render: string@"nu-complete npcheck config render" # What is built before it is judged
    --helm                    # Run helm for the charts in the tree: `--render helm`
    --complete                # The manifests hold every pod and namespace of the cluster: what is not there does not exist
    --color: string@"nu-complete npcheck config color" # When to use colours
    --quiet(-q)               # Print only what was asked for, and errors
    --verbose(-v)             # Also print what was skipped
    --help(-h)                # Print help (see more with '--help')
    ...paths: path            # Manifests to recognise the platform by: files, directories, - for standard input, or `git:REV[:PATH]`
  ]

  def "nu-complete npcheck files render" [] {
    [ "auto" "off" "helm" ]
  }

  def "nu-complete npcheck files color" [] {
    [ "auto" "always" "never" ]
  }

  # Show what is read, what each document becomes, and what is skipped and why
  export extern "npcheck files" [
    --hidden                  # Read hidden files and directories, too
    --no-ignore               # Read what .gitignore, .ignore and .npcheckignore name, too
    --config: path            # The configuration file; by default the nearest npcheck.yaml, here or in a directory above
    --no-config               # Ignore npcheck.yaml
    --cluster: string@"nu-complete npcheck"         # Look at one cluster of a tree that holds several: a scope of the configuration, or a directory
    --cni: string@"nu-complete npcheck"             # The CNI plugin of the cluster: calico, cilium, ovn-kubernetes, ...
    --render: string@"nu-complete npcheck files render" # What is built before it is judged
    --helm                    # Run helm for the charts in the tree: `--render helm`
    --complete                # The manifests hold every pod and namespace of the cluster: what is not there does not exist
    --roots                   # Show what is deployed together, and what builds it, instead of the files
    --color: string@"nu-complete npcheck files color" # When to use colours
    --quiet(-q)               # Print only what was asked for, and errors
    --verbose(-v)             # Also print what was skipped
    --help(-h)                # Print help (see more with '--help')
    ...paths: path            # Files, directories, `-` for standard input, or `git:REV[:PATH]`
  ]

  def "nu-complete npcheck render color" [] {
    [ "auto" "always" "never" ]
  }

  # Show what a root becomes, as npcheck builds it
  export extern "npcheck render" [
    --helm                    # Run helm for the charts in the tree
    --color: string@"nu-complete npcheck render color" # When to use colours
    --quiet(-q)               # Print only what was asked for, and errors
    --verbose(-v)             # Also print what was skipped
    --help(-h)                # Print help (see more with '--help')
    root?: path               # A directory with a kustomization.yaml, or that file, or a name that `files --roots` shows, such as Application/shop
    ...paths: path            # Where a root is looked for by its name: files and directories
  ]

  def "nu-complete npcheck schema schema" [] {
    [ "config" "diff" "exposure" "findings" "graph" "graph-line" "paths" "reach" "test" "tests" ]
  }

  def "nu-complete npcheck schema color" [] {
    [ "auto" "always" "never" ]
  }

  # Print the JSON Schema of JSON output, or of npcheck.yaml
  export extern "npcheck schema" [
    --color: string@"nu-complete npcheck schema color" # When to use colours
    --quiet(-q)               # Print only what was asked for, and errors
    --verbose(-v)             # Also print what was skipped
    --help(-h)                # Print help (see more with '--help')
    schema?: string@"nu-complete npcheck schema schema" # Which one
  ]

  def "nu-complete npcheck completions shell" [] {
    [ "bash" "elvish" "fish" "nushell" "powershell" "zsh" ]
  }

  def "nu-complete npcheck completions color" [] {
    [ "auto" "always" "never" ]
  }

  # Print a script that completes npcheck's command lines in a shell
  export extern "npcheck completions" [
    --color: string@"nu-complete npcheck completions color" # When to use colours
    --quiet(-q)               # Print only what was asked for, and errors
    --verbose(-v)             # Also print what was skipped
    --help(-h)                # Print help (see more with '--help')
    shell: string@"nu-complete npcheck completions shell" # The shell
  ]

  # Print this message or the help of the given subcommand(s)
  export extern "npcheck help" [
  ]

  # Find mistakes and risks in policies
  export extern "npcheck help lint" [
  ]

  # Ask whether one end can talk to another, and why (not)
  export extern "npcheck help reach" [
  ]

  # Show what a change opens and closes
  export extern "npcheck help diff" [
  ]

  # Check expected flows, from npcheck-tests.yaml
  export extern "npcheck help test" [
  ]

  # Show how one end can get to another, hop by hop
  export extern "npcheck help paths" [
  ]

  # Show what each workload is open to
  export extern "npcheck help exposure" [
  ]

  # Print everything that can connect, or a part of it
  export extern "npcheck help graph" [
  ]

  # Show a rule's page: what it finds, why that is bad, and what to do
  export extern "npcheck help explain" [
  ]

  # Write an npcheck.yaml for the manifests here
  export extern "npcheck help init" [
  ]

  # Show the configuration that is in force, and where it comes from
  export extern "npcheck help config" [
  ]

  # Show what is read, what each document becomes, and what is skipped and why
  export extern "npcheck help files" [
  ]

  # Show what a root becomes, as npcheck builds it
  export extern "npcheck help render" [
  ]

  # Print the JSON Schema of JSON output, or of npcheck.yaml
  export extern "npcheck help schema" [
  ]

  # Print a script that completes npcheck's command lines in a shell
  export extern "npcheck help completions" [
  ]

  # Print this message or the help of the given subcommand(s)
  export extern "npcheck help help" [
  ]

}

export use completions *
