// Names that try to reach outside of the share, or that are none.
#include <unistd.h>

#include <fstream>

#include "torture/hostile.h"

namespace Atoll::torture {

using client::CreateCall;
using client::File;
using client::OpenOptions;
using smb::Command;

namespace {

// A CREATE with the name as these UTF-16LE bytes, opened or made.
NtStatus create_raw(Client& c, Bytes name, smb::CreateDisposition disposition) {
    OpenOptions o;
    o.disposition = disposition;
    CreateCall call("", o);
    call.request.name = name;
    auto exchange = c.tree->start(Command::create, call);
    const NtStatus status = c.connection->wait(exchange);
    if (auto response = exchange->decode<smb::CreateResponse>(); response.ok()) {
        (void)c.status_of(Command::close, smb::CloseRequest{0, response->file_id});
    }
    return status;
}

NtStatus open_name(Client& c, std::string_view name, const OpenOptions& o = {}) {
    auto f = File::open(*c.tree, name, o);
    if (!f) return f.error();
    (void)f->close();
    return NtStatus::SUCCESS;
}

}  // namespace

void parent_directory(Test& t) {
    REQUIRE(t, c, t.client());
    const std::string below = t.path(*c, "");
    for (const std::string& name : {std::string(".."), std::string("..\\"), std::string("..\\..\\etc\\passwd"), below + "\\..\\..",
                                    below + "\\..\\..\\..\\..\\..\\etc\\passwd", std::string("../../etc/passwd"), std::string(".\\..\\.."),
                                    std::string("..\\share\\..\\..")}) {
        const NtStatus status = open_name(*c, name);
        CHECK(t, is_error(status) && status != NtStatus::CONNECTION_DISCONNECTED, "{}: {}", name, to_string(status));
        OpenOptions make;
        make.access |= smb::access_mask::file_generic_write;
        make.disposition = smb::CreateDisposition::open_if;
        const NtStatus made = open_name(*c, name + "\\made-by-smbtorture", make);
        CHECK(t, is_error(made), "{}\\made-by-smbtorture: {}", name, to_string(made));
    }
    t.server_alive();
}

void absolute_names(Test& t) {
    REQUIRE(t, c, t.client());
    for (const char* name : {"\\etc\\passwd", "\\\\server\\share\\f", "/etc/passwd", "C:\\f", "\\??\\C:\\f", "\\", "\\\\"}) {
        const NtStatus status = open_name(*c, name);
        CHECK(t, is_error(status) && status != NtStatus::CONNECTION_DISCONNECTED, "{}: {}", name, to_string(status));
    }
    t.server_alive();
}

// Needs the share's path on this machine: --option=torture:localdir=PATH
void symlinks_that_leave(Test& t) {
    const std::string local = t.target.option("localdir");
    if (local.empty()) return t.skip("needs --option=torture:localdir=the share's path on this machine");
    REQUIRE(t, c, t.client());
    std::string directory = t.path(*c, "");
    const std::string here = local + "/" + directory + "/";
    const std::pair<const char*, const char*> links[] = {{"to_etc", "/etc"}, {"to_passwd", "/etc/passwd"}, {"up", "../../../../../../etc"}};
    for (auto [name, to] : links) CHECK(t, ::symlink(to, (here + name).c_str()) == 0, "cannot make the link {}", here + name);
    for (const char* name : {"to_etc\\passwd", "to_passwd", "up\\passwd", "to_etc"}) {
        const NtStatus status = open_name(*c, t.path(*c, name));
        CHECK(t, is_error(status), "{}: {}", name, to_string(status));
    }
    OpenOptions make;
    make.access |= smb::access_mask::file_generic_write;
    make.disposition = smb::CreateDisposition::open_if;
    CHECK(t, is_error(open_name(*c, t.path(*c, "to_etc\\made-by-smbtorture"), make)), "a file was made outside of the share");
    for (auto [name, to] : links) (void)::unlink((here + name).c_str());
    t.server_alive();
}

void nul_in_name(Test& t) {
    REQUIRE(t, c, t.client());
    for (std::string_view text : {std::string_view("a\0b", 3), std::string_view("\0", 1), std::string_view("a\0", 2)}) {
        Buffer name = *utf8_to_utf16le(t.path(*c, "x"));
        for (char ch : text) {
            name.append_zeros(2);
            name[name.size() - 2] = static_cast<uint8_t>(ch);
        }
        const NtStatus status = create_raw(*c, name, smb::CreateDisposition::open_if);
        CHECK(t, one_of(status, {NtStatus::OBJECT_NAME_INVALID, NtStatus::INVALID_PARAMETER}), "{}", to_string(status));
    }
    t.server_alive();
}

void invalid_utf16(Test& t) {
    REQUIRE(t, c, t.client());
    for (uint16_t unit : {uint16_t{0xD800}, uint16_t{0xDBFF}, uint16_t{0xDC00}, uint16_t{0xDFFF}}) {
        Buffer name = *utf8_to_utf16le(t.path(*c, "x"));
        ByteWriter(name).u16(unit);
        const NtStatus status = create_raw(*c, name, smb::CreateDisposition::open_if);
        // No specification names the error.
        CHECK(t, one_of(status, {NtStatus::OBJECT_NAME_INVALID, NtStatus::INVALID_PARAMETER, NtStatus::ILLEGAL_CHARACTER}),
              "unit {:#x}: {}", unit, to_string(status));
    }
    t.server_alive();
}

void long_names(Test& t) {
    REQUIRE(t, c, t.client());
    OpenOptions make;
    make.access |= smb::access_mask::delete_access;
    make.disposition = smb::CreateDisposition::create;
    make.options = smb::create_options::delete_on_close;
    CHECK_STATUS(t, open_name(*c, t.path(*c, std::string(255, 'a')), make), NtStatus::SUCCESS);
    CHECK_STATUS(t, open_name(*c, t.path(*c, std::string(256, 'a')), make), NtStatus::OBJECT_NAME_INVALID);
    // 32767 characters of path: more than the file system takes, never more than the field holds.
    std::string deep;
    while (deep.size() < 32000) deep += "abcdefgh\\";
    const NtStatus status = open_name(*c, t.path(*c, deep + "x"));
    CHECK(t, one_of(status, {NtStatus::OBJECT_NAME_INVALID, NtStatus::OBJECT_PATH_NOT_FOUND, NtStatus::NAME_TOO_LONG}),
          "a path of {} characters: {}", deep.size(), to_string(status));
    t.server_alive();
}

void rename_out(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f", pattern_bytes(10)));
    for (const char* name :
         {"..\\moved-by-smbtorture", "..\\..\\..\\tmp\\moved-by-smbtorture", "\\tmp\\moved-by-smbtorture", "/tmp/moved-by-smbtorture"}) {
        const NtStatus status = f->rename(name, true);
        CHECK(t, is_error(status) && status != NtStatus::CONNECTION_DISCONNECTED, "to {}: {}", name, to_string(status));
    }
    std::ifstream escaped("/tmp/moved-by-smbtorture");
    CHECK(t, !escaped.is_open(), "the file left the share");
    t.server_alive();
}

}  // namespace Atoll::torture
