
set edit:completion:arg-completer[npcheck] = { |@words|
    var index = (count $words)
    set index = (- $index 1)

    put (env _CLAP_IFS="\n" _CLAP_COMPLETE_INDEX=(to-string $index) NPCHECK_COMPLETE="elvish" npcheck -- $@words) | to-lines
}

