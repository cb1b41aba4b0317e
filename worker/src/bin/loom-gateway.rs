fn main() -> std::process::ExitCode {
    loom_worker::gateway::main()
}
