{
  description = "npcheck: offline static analyzer for Kubernetes NetworkPolicies";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" ];
      forAll = nixpkgs.lib.genAttrs systems;
      cargo = (builtins.fromTOML (builtins.readFile ./Cargo.toml)).package;
    in
    {
      packages = forAll (system:
        let pkgs = nixpkgs.legacyPackages.${system};
        in {
          default = pkgs.rustPlatform.buildRustPackage {
            pname = cargo.name;
            version = cargo.version;
            src = self;
            cargoLock.lockFile = ./Cargo.lock;
            # The tests want git and a scratch repository; `.ci/run` runs them.
            doCheck = false;
            nativeBuildInputs = [ pkgs.installShellFiles ];
            postInstall = ''
              installManPage docs/man/*.1
              installShellCompletion --bash --name npcheck completions/npcheck.bash
              installShellCompletion --fish completions/npcheck.fish
              installShellCompletion --zsh completions/_npcheck
            '';
            meta = {
              description = cargo.description;
              homepage = cargo.repository;
              license = [ "MIT" "Apache-2.0" ];
              mainProgram = "npcheck";
            };
          };
        });

      devShells = forAll (system:
        let pkgs = nixpkgs.legacyPackages.${system};
        in { default = pkgs.mkShell { packages = [ pkgs.cargo pkgs.rustc pkgs.clippy pkgs.rustfmt pkgs.git ]; }; });
    };
}
