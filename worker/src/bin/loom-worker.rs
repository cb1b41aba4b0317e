fn main() -> std::process::ExitCode {
    loom_worker::main()
}
