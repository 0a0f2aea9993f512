// clusterbench ring|recovery: what the cluster's records cost (docs/cluster.md, "What contention costs"). torture/bench/contention starts
// the nodes and drives it. Each measurement is printed as one line of JSON.
#include <CLI/CLI.hpp>

#include "torture/bench/cluster/recovery.h"
#include "torture/bench/cluster/ring.h"

int main(int argc, char** argv) {
    Atoll::bench::RingOptions ring;
    Atoll::bench::RecoveryOptions recovery;
    CLI::App app("What the cluster's volatile records cost", "clusterbench");
    app.require_subcommand(1);
    auto* const around = app.add_subcommand("ring", "A record that all nodes want, beside a bare message on loopback");
    around->add_option("--socket", ring.sockets, "Of the nodes' ctdbd, by rising number")->required();
    around->add_option("--moves", ring.moves, "From node to node, in each round")->required()->check(CLI::PositiveNumber);
    around->add_option("--rounds", ring.rounds)->check(CLI::PositiveNumber);
    auto* const death = app.add_subcommand("recovery", "Fills a database, kills a node's ctdbd, and looks when the records are back");
    death->add_option("--socket", recovery.sockets, "Of the nodes' ctdbd, by rising number")->required();
    death->add_option("--records", recovery.records, "In the database");
    death->add_option("--victim", recovery.victim, "The number of the node that dies")->required();
    death->add_option("--kill", recovery.victim_pid, "Its ctdbd")->required()->check(CLI::PositiveNumber);
    CLI11_PARSE(app, argc, argv);
    if (around->parsed())
        Atoll::bench::run_ring(ring);
    else
        Atoll::bench::run_recovery(recovery);
    return 0;
}
