# Homebrew: brew install --HEAD ./packaging/homebrew/npcheck.rb
class Npcheck < Formula
  desc "Offline static analyzer for Kubernetes NetworkPolicies"
  homepage "https://github.com/npcheck/npcheck"
  license any_of: ["MIT", "Apache-2.0"]
  head "https://github.com/npcheck/npcheck.git", branch: "main"

  depends_on "rust" => :build

  def install
    system "cargo", "install", *std_cargo_args, "--profile", "dist"
    man1.install Dir["docs/man/*.1"]
    bash_completion.install "completions/npcheck.bash" => "npcheck"
    fish_completion.install "completions/npcheck.fish"
    zsh_completion.install "completions/_npcheck"
  end

  test do
    (testpath/"policy.yaml").write <<~YAML
      apiVersion: networking.k8s.io/v1
      kind: NetworkPolicy
      metadata: {name: closed, namespace: shop}
      spec:
        podSelector: {}
        ingres: []
    YAML
    assert_match "unknown-field", shell_output("#{bin}/npcheck lint -o concise", 1)
  end
end
