// atoll.notify: CHANGE_NOTIFY (MS-SMB2 3.3.5.19, MS-FSA 2.1.5.11). Each test watches over one connection and changes over another, whom
// another process may serve.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "base/utf.h"
#include "libcli/smb/fscc_directory.h"
#include "libcli/smb/query.h"
#include "torture/test.h"

namespace Atoll::torture {
namespace {

using client::File;
using client::OpenOptions;
using smb::Command;
namespace change = smb::notify_change;

constexpr std::chrono::seconds patience{10};
constexpr uint32_t names = change::file_name | change::dir_name;

struct Request {
    uint32_t filter = names;
    bool tree = false;
    uint32_t room = 4096;
};

client::ExchangePtr start(Client& c, const File& directory, const Request& request = {}) {
    smb::ChangeNotifyRequest notify;
    notify.flags = request.tree ? smb::change_notify_flags::watch_tree : uint16_t{0};
    notify.output_buffer_length = request.room;
    notify.file_id = directory.id();
    notify.completion_filter = request.filter;
    client::RequestOptions options;
    options.payload = request.room;
    return c.tree->start(Command::change_notify, notify, options);
}

// True once the server has said that it watches.
bool watching(Client& c, const client::ExchangePtr& exchange) {
    return c.connection->wait_until([&] { return exchange->interim() || exchange->done(); }, patience) && exchange->interim();
}

// "added a, modified b\c"
std::string told(const client::ExchangePtr& exchange) {
    static const char* const actions[] = {"",    "added",        "removed",        "modified",       "old",
                                          "new", "added stream", "removed stream", "modified stream"};
    const auto response = exchange->decode<smb::OutputBufferResponse>();
    if (!response.ok()) return "no response";
    std::string out;
    smb::EntryListReader list(response->output);
    if (response->output.empty()) return out;
    while (const auto entry = smb::next_notify(list)) {
        const auto action = static_cast<uint32_t>(entry->action);
        if (!out.empty()) out += ", ";
        out += action < std::size(actions) ? actions[action] : "?";
        out += ' ';
        out += utf16le_to_utf8(entry->name).value_or("?");
    }
    return out;
}

std::optional<File> directory(Test& t, Client& c, std::string_view leaf, uint32_t more = 0) {
    const std::string path = t.path(c, leaf);
    if (!leaf.empty()) (void)client::make_directory(*c.tree, path);
    OpenOptions o = OpenOptions::directory(false);
    o.access |= more;
    auto opened = File::open(*c.tree, path, o);
    if (opened) return std::move(*opened);
    t.fail("cannot open " + path + ": " + to_string(opened.error()));
    return std::nullopt;
}

NtStatus make_file(Client& c, const std::string& path) {
    OpenOptions o;
    o.access |= smb::access_mask::file_generic_write | smb::access_mask::delete_access;
    o.disposition = smb::CreateDisposition::open_if;
    auto f = File::open(*c.tree, path, o);
    return f ? f->close() : f.error();
}

#define TELLS(t, c, exchange, expected)                                                             \
    do {                                                                                            \
        CHECK_STATUS(t, (c).connection->wait(exchange, patience), NtStatus::SUCCESS);               \
        CHECK(t, told(exchange) == (expected), "told: {}; expected: {}", told(exchange), expected); \
    } while (false)

void added_and_removed(Test& t) {
    REQUIRE(t, watcher, t.client());
    REQUIRE(t, other, t.client());
    REQUIRE(t, d, directory(t, *watcher, "d"));
    const auto first = start(*watcher, *d);
    CHECK(t, watching(*watcher, first), "no interim response");
    CHECK_STATUS(t, make_file(*other, t.path(*other, "d\\f")), NtStatus::SUCCESS);
    TELLS(t, *watcher, first, "added f");
    CHECK_STATUS(t, client::remove(*other->tree, t.path(*other, "d\\f")), NtStatus::SUCCESS);
    const auto second = start(*watcher, *d);
    TELLS(t, *watcher, second, "removed f");
}

void trees(Test& t) {
    REQUIRE(t, watcher, t.client());
    REQUIRE(t, other, t.client());
    REQUIRE(t, d, directory(t, *watcher, "d"));
    REQUIRE(t, e, directory(t, *watcher, "d\\e"));
    const auto whole = start(*watcher, *d, {.tree = true});
    const auto flat = start(*watcher, *e, {.filter = change::dir_name});
    CHECK(t, watching(*watcher, whole) && watching(*watcher, flat), "no interim response");
    CHECK_STATUS(t, make_file(*other, t.path(*other, "d\\e\\f")), NtStatus::SUCCESS);
    TELLS(t, *watcher, whole, "added e\\f");
    CHECK_STATUS(t, client::make_directory(*other->tree, t.path(*other, "d\\e\\g")), NtStatus::SUCCESS);
    TELLS(t, *watcher, flat, "added g");
}

void renames(Test& t) {
    REQUIRE(t, watcher, t.client());
    REQUIRE(t, other, t.client());
    REQUIRE(t, d, directory(t, *watcher, "d"));
    REQUIRE(t, e, directory(t, *watcher, "e"));
    REQUIRE(t, f, t.file(*other, "d\\f"));
    const auto within = start(*watcher, *d);
    CHECK(t, watching(*watcher, within), "no interim response");
    CHECK_STATUS(t, f->rename(t.path(*other, "d\\g"), false), NtStatus::SUCCESS);
    TELLS(t, *watcher, within, "old f, new g");
    const auto from = start(*watcher, *d);
    const auto to = start(*watcher, *e);
    CHECK(t, watching(*watcher, from) && watching(*watcher, to), "no interim response");
    CHECK_STATUS(t, f->rename(t.path(*other, "e\\g"), false), NtStatus::SUCCESS);
    TELLS(t, *watcher, from, "removed g");
    TELLS(t, *watcher, to, "added g");
}

void too_much(Test& t) {
    REQUIRE(t, watcher, t.client());
    REQUIRE(t, other, t.client());
    REQUIRE(t, d, directory(t, *watcher, "d"));
    const auto details = start(*watcher, *d, {.room = 100});
    CHECK(t, watching(*watcher, details), "no interim response");
    CHECK_STATUS(t, make_file(*other, t.path(*other, "d\\0")), NtStatus::SUCCESS);
    TELLS(t, *watcher, details, "added 0");
    for (int i = 1; i < 20; ++i) CHECK_STATUS(t, make_file(*other, t.path(*other, "d\\" + std::to_string(i))), NtStatus::SUCCESS);
    const auto lost = start(*watcher, *d, {.room = 4096});
    CHECK_STATUS(t, watcher->connection->wait(lost, patience), NtStatus::NOTIFY_ENUM_DIR);
    // Other processes' changes arrive in their own time: what was not there yet when the loss was told ends further requests.
    auto none = start(*watcher, *d, {.room = 0});
    for (int late = 1; late < 20 && !watching(*watcher, none); ++late) {
        CHECK_STATUS(t, watcher->connection->wait(none, patience), NtStatus::NOTIFY_ENUM_DIR);
        none = start(*watcher, *d, {.room = 0});
    }
    CHECK(t, watching(*watcher, none), "no interim response");
    CHECK_STATUS(t, make_file(*other, t.path(*other, "d\\last")), NtStatus::SUCCESS);
    CHECK_STATUS(t, watcher->connection->wait(none, patience), NtStatus::NOTIFY_ENUM_DIR);
}

void refused(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f", pattern_bytes(10)));
    CHECK_STATUS(t, c->connection->wait(start(*c, *f), patience), NtStatus::INVALID_PARAMETER);
    OpenOptions o = OpenOptions::directory(false);
    o.access = smb::access_mask::file_read_attributes | smb::access_mask::synchronize;
    REQUIRE(t, d, File::open(*c->tree, t.path(*c, ""), o));
    CHECK_STATUS(t, c->connection->wait(start(*c, *d), patience), NtStatus::ACCESS_DENIED);
    REQUIRE(t, whole, directory(t, *c, "d"));
    smb::ChangeNotifyRequest large;
    large.output_buffer_length = c->connection->negotiated().max_transact_size + 1;
    large.file_id = whole->id();
    large.completion_filter = names;
    CHECK_STATUS(t, c->status_of(Command::change_notify, large), NtStatus::INVALID_PARAMETER);
    CHECK_STATUS(t, whole->close(), NtStatus::SUCCESS);
    CHECK_STATUS(t,
                 c->status_of(Command::change_notify,
                              [&] {
                                  auto again = large;
                                  again.output_buffer_length = 100;
                                  return again;
                              }()),
                 NtStatus::FILE_CLOSED);
}

void ended_requests(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, d, directory(t, *c, "d"));
    const auto cancelled = start(*c, *d);
    CHECK(t, watching(*c, cancelled), "no interim response");
    c->connection->cancel(c->session.get(), cancelled);
    CHECK_STATUS(t, c->connection->wait(cancelled, patience), NtStatus::CANCELLED);
    const auto first = start(*c, *d);
    const auto second = start(*c, *d);
    CHECK(t, watching(*c, first) && watching(*c, second), "no interim response");
    CHECK_STATUS(t, d->close(), NtStatus::SUCCESS);
    CHECK_STATUS(t, c->connection->wait(first, patience), NtStatus::NOTIFY_CLEANUP);
    CHECK_STATUS(t, c->connection->wait(second, patience), NtStatus::NOTIFY_CLEANUP);
}

void deleted_directory(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, other, t.client());
    REQUIRE(t, d, directory(t, *c, "d"));
    const auto waits = start(*c, *d);
    CHECK(t, watching(*c, waits), "no interim response");
    REQUIRE(t, same, directory(t, *other, "d", smb::access_mask::delete_access));
    CHECK_STATUS(t, same->set_delete(true), NtStatus::SUCCESS);
    CHECK_STATUS(t, c->connection->wait(waits, patience), NtStatus::DELETE_PENDING);
    CHECK_STATUS(t, same->set_delete(false), NtStatus::SUCCESS);
}

// None lost, none twice, in their order.
void many_changes(Test& t) {
    constexpr int count = 300;
    REQUIRE(t, watcher, t.client());
    REQUIRE(t, other, t.client());
    REQUIRE(t, d, directory(t, *watcher, "d"));
    auto waits = start(*watcher, *d, {.room = 65536});
    CHECK(t, watching(*watcher, waits), "no interim response");
    std::string expected, got;
    for (int i = 0; i < count; ++i) {
        const std::string name = "file" + std::to_string(i);
        CHECK_STATUS(t, make_file(*other, t.path(*other, "d\\" + name)), NtStatus::SUCCESS);
        expected += (expected.empty() ? "added " : ", added ") + name;
    }
    while (got.size() < expected.size()) {
        CHECK_STATUS(t, watcher->connection->wait(waits, patience), NtStatus::SUCCESS);
        got += (got.empty() ? "" : ", ") + told(waits);
        if (got.size() < expected.size()) waits = start(*watcher, *d, {.room = 65536});
    }
    CHECK(t, got == expected, "told {} bytes of text, expected {}", got.size(), expected.size());
}

// Needs the share's path on this machine: --option=torture:localdir=PATH
void local_changes(Test& t) {
    const std::string local = t.target.option("localdir");
    if (local.empty()) return t.skip("needs --option=torture:localdir=the share's path on this machine");
    REQUIRE(t, c, t.client());
    REQUIRE(t, d, directory(t, *c, "d"));
    std::string here = local + "/" + t.path(*c, "d");
    std::replace(here.begin(), here.end(), '\\', '/');
    const auto next = [&] { return start(*c, *d, {.tree = true}); };
    auto waits = next();
    CHECK(t, watching(*c, waits), "no interim response");
    std::filesystem::create_directory(here + "/e");
    TELLS(t, *c, waits, "added e");
    waits = next();
    std::ofstream(here + "/e/f").close();
    TELLS(t, *c, waits, "added e\\f");
    waits = next();
    std::filesystem::rename(here + "/e/f", here + "/e/g");
    TELLS(t, *c, waits, "old e\\f, new e\\g");
    waits = next();
    std::filesystem::remove(here + "/e/g");
    TELLS(t, *c, waits, "removed e\\g");
    // What a client changes comes once, though the machine sees it too.
    waits = next();
    CHECK_STATUS(t, make_file(*c, t.path(*c, "d\\h")), NtStatus::SUCCESS);
    TELLS(t, *c, waits, "added h");
    waits = next();
    std::filesystem::create_directory(here + "/last");
    TELLS(t, *c, waits, "added last");
}

constexpr TestCase tests[] = {
    {"added_and_removed", "MS-FSA 2.1.4.1", added_and_removed},
    {"trees", "MS-SMB2 3.3.1.3", trees},
    {"renames", "MS-FSA 2.1.5.15.12", renames},
    {"too_much", "MS-FSA 2.1.5.11.1", too_much},
    {"refused", "MS-SMB2 3.3.5.19", refused},
    {"ended_requests", "MS-FSA 2.1.5.5", ended_requests},
    {"deleted_directory", "MS-FSA 2.1.5.15.3", deleted_directory},
    {"many_changes", "MS-SMB2 3.3.1.3", many_changes},
    {"local_changes", "MS-FSA 2.1.4.1", local_changes},
};

}  // namespace

const Suite notify_suite{"atoll.notify", tests};

}  // namespace Atoll::torture
