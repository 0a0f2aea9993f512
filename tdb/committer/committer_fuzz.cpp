// What any process of the server's user may send the committer: as bytes to its decoders, and as a conversation with its journal.
#include <stdlib.h>
#include <unistd.h>

#include <string>

#include "base/log.h"
#include "tdb/committer/file_journal.h"

namespace Atoll::committer {
namespace {

// One for the whole run: what a conversation left is what the next one finds.
Journal& journal() {
    static const std::unique_ptr<FileJournal> made = [] {
        log_set_level(-1);
        std::string directory = std::string(::access("/dev/shm", W_OK) == 0 ? "/dev/shm/" : "/tmp/") + "atoll_committer_fuzz.XXXXXX";
        ATOLL_ASSERT(::mkdtemp(directory.data()) != nullptr);
        auto opened = FileJournal::open({directory + "/f.mdb", {"one", "two"}, 1u << 20});
        ATOLL_ASSERT(opened.ok());
        for (const char* name : {"/f.mdb", "/f.mdb-lock"}) ::unlink((directory + name).c_str());
        ::rmdir(directory.c_str());
        return std::move(*opened);
    }();
    return *made;
}

// Packets behind their lengths, u16; several are decided at once.
void converse(Bytes input) {
    const Guid name = Guid::random();
    ATOLL_ASSERT(journal().senders().enter(name, ::getpid(), 0));
    std::vector<Pending> group;
    ByteReader in(input);
    while (in.ok() && in.remaining() >= 2) {
        const Bytes packet = in.bytes(in.u16());
        Pending pending;
        pending.sender = name;
        if (!decode(packet, pending.request)) break;
        if (journal().senders().recall(name, pending.request, pending.reply) != Senders::Known::is_new) break;
        group.push_back(std::move(pending));
    }
    bool is_decided = false;
    journal().decide(group, [&] { is_decided = true; });
    ATOLL_ASSERT(is_decided);
    for (const Pending& pending : group) {
        Buffer encoded;
        encode(pending.reply, encoded, idl::first_level);
        ATOLL_ASSERT(idl::decode<answer>(encoded).ok() && pending.reply.number == pending.request.number);
    }
    journal().senders().leave(name);
    journal().clean();
}

}  // namespace
}  // namespace Atoll::committer

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace Atoll;
    idl::fuzz_records(committer::committer_records(), {data, size});
    committer::converse({data, size});
    return 0;
}
