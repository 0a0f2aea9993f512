// What local clients ask of the persistent databases: reads, which wait until the node knows what is committed, and transactions.
#pragma once

#include <list>
#include <map>

#include "ctdb/core/core.h"
#include "ctdb/daemon/client_socket.h"
#include "ctdb/daemon/persistent_databases.h"

namespace Atoll::ctdb {

class PersistentRequests {
 public:
    using Answer = std::function<void(protocol::reply)>;

    PersistentRequests(PersistentDatabases& databases, const Core& core, std::function<void(Event)> deliver)
        : databases_(databases), core_(core), deliver_(std::move(deliver)) {}

    // `owner`: of the local socket; 0: another node's.
    void execute(const protocol::request& request, ClientId owner, const Answer& answer);
    void done(const TransactionDone& done);
    void client_left(ClientId owner);
    // After events of the core: reads that can be answered now are.
    void serve();

 private:
    struct Read {
        protocol::request request;
        DatabaseId database = 0;
        ClientId owner = 0;
        Answer answer;
    };
    struct Transaction {
        ClientId owner = 0;
        Answer answer;
    };
    struct Staged {
        Writes writes;
        size_t bytes = 0;
    };

    [[nodiscard]] DatabaseId find(const std::string& name) const;
    bool stage(const protocol::request& request, ClientId owner, int64_t& base, const Answer& answer);
    void commit(const protocol::request& request, DatabaseId database, ClientId owner, const Answer& answer);
    [[nodiscard]] protocol::reply read(const Read& read) const;
    [[nodiscard]] protocol::reply page(const Read& read) const;

    PersistentDatabases& databases_;
    const Core& core_;
    std::function<void(Event)> deliver_;
    std::list<Read> reads_;
    std::map<Client, Transaction> transactions_;
    std::map<ClientId, Staged> staged_;
    Client last_ = 0;
};

}  // namespace Atoll::ctdb
