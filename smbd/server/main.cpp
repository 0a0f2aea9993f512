#include "smbd/server/options.h"
#include "smbd/server/server.h"

int main(int argc, char** argv) {
    const Atoll::server::ParsedOptions parsed = Atoll::server::parse_options(argc, argv);
    if (parsed.exit_status) return *parsed.exit_status;
    return Atoll::server::run_server(parsed.options);
}
