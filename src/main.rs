fn main() -> std::process::ExitCode {
    loom::main()
}
