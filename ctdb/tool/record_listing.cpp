#include "ctdb/tool/record_listing.h"

#include <fmt/format.h>

#include "ctdb/tool/output.h"
#include "ctdb/tool/persistent_database.h"

namespace Atoll::ctdb {
namespace {

std::string text(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

uint32_t flags_of(const protocol::listed_record& record) {
    if (!record.delegated) return 0;
    return record.dmaster ? has_delegations : is_delegation;
}

}  // namespace

Result<std::vector<DumpedRecord>, int> persistent_records(Call& call, const std::string& name) {
    const auto all = PersistentDatabase(call, name).read_all();
    if (!all) return tl::unexpected(all.error());
    std::vector<DumpedRecord> records;
    if (all->seqnum != 0) records.push_back(sequence_record(all->seqnum));
    for (const auto& record : all->records) records.push_back({text(record.key), text(record.value), 1, call.here.pnn, 0});
    return records;
}

int append_records_of(Call& call, uint32_t pnn, const std::string& database, Copies copies, std::vector<DumpedRecord>& out) {
    protocol::request request;
    request.node = pnn;
    request.op = protocol::operation::LIST_RECORDS;
    request.database = database;
    while (request.seconds < protocol::SLOTS) {
        const auto reply = call.ask(request);
        if (!reply) return reply.error();
        protocol::record_page page;
        if (!decode(Bytes(reply->data), page)) {
            complain(fmt::format("node {}: its answer does not decode", pnn));
            return failure;
        }
        for (const auto& record : page.records) {
            if (!record.whole) complain(fmt::format("node {}: a value of {} is too large to be listed", pnn, database));
            const bool wanted = record.dmaster || copies == Copies::all;
            if (wanted && record.whole && !record.value.empty())
                out.push_back({text(record.key), text(record.value), record.rsn, record.dmaster ? pnn : protocol::NO_NODE,
                               copies == Copies::all ? flags_of(record) : 0});
        }
        request.seconds = page.next_slot;
        request.key = page.records.empty() ? std::vector<uint8_t>{} : page.records.back().key;
    }
    return 0;
}

}  // namespace Atoll::ctdb
