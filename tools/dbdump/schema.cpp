#include "tools/dbdump/schema.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/sid.h"
#include "smbd/accounts/account.idl.h"
#include "smbd/accounts/activity.idl.h"
#include "smbd/accounts/tdbsam.h"
#include "smbd/fsa/leases.idl.h"
#include "smbd/fsa/locking.idl.h"
#include "smbd/fsa/notify.idl.h"
#include "smbd/fsa/object_ids.idl.h"
#include "smbd/xsrv/xsrv.idl.h"
#include "tdb/committer/committer.idl.h"
#include "tdb/watch/watches.idl.h"

namespace Atoll::dbdump {
namespace {

// Keys. Identifiers are big-endian in keys, so that they sort as numbers do (smbd/xsrv/tables.cpp).

uint64_t identifier(Bytes bytes) {
    uint64_t value = 0;
    for (const uint8_t byte : bytes) value = value << 8 | byte;
    return value;
}

bool print_session_key(Bytes key, idl::Printer& printer) {
    if (key.size() != 8) return false;
    printer.begin_struct("session");
    printer.field("session_id");
    printer.hex(identifier(key));
    printer.end_struct();
    return true;
}

bool print_tcon_key(Bytes key, idl::Printer& printer) {
    if (key.size() != 12) return false;
    printer.begin_struct("tcon");
    printer.field("session_id");
    printer.hex(identifier(key.first(8)));
    printer.field("tree_id");
    printer.hex(identifier(key.subspan(8)));
    printer.end_struct();
    return true;
}

bool print_open_key(Bytes key, idl::Printer& printer) {
    if (key.size() != 8) return false;
    printer.begin_struct("open");
    printer.field("persistent_id");
    printer.hex(identifier(key));
    printer.end_struct();
    return true;
}

bool print_guid_key(Bytes key, idl::Printer& printer) {
    if (key.size() != 16) return false;
    Guid guid;
    std::copy(key.begin(), key.end(), guid.bytes.begin());
    printer.guid(guid);
    return true;
}

// smbd/xsrv/persistent.cpp
bool print_identifiers_key(Bytes key, idl::Printer& printer) {
    if (key.size() != 24) return false;
    printer.begin_struct("file");
    printer.field("volume");
    printer.hex(identifier(key.first(8)));
    printer.field("inode");
    printer.number(identifier(key.subspan(8, 8)));
    printer.field("generation");
    printer.hex(identifier(key.subspan(16)));
    printer.end_struct();
    return true;
}

bool print_intent_key(Bytes key, idl::Printer& printer) {
    if (key.size() != 32) return false;
    printer.begin_struct("create");
    printer.field("client_guid");
    if (!print_guid_key(key.first(16), printer)) return false;
    printer.field("create_guid");
    if (!print_guid_key(key.subspan(16), printer)) return false;
    printer.end_struct();
    return true;
}

// smbd/fsa/share_modes.cpp: the file id, then the stream's name, which the unnamed one has not.
bool print_file_key(Bytes key, idl::Printer& printer) {
    constexpr size_t id_size = 24;
    if (key.size() < id_size) return false;
    ByteReader in(key);
    printer.begin_struct("file");
    printer.field("volume");
    printer.hex(in.u64());
    printer.field("inode");
    printer.number(in.u64());
    printer.field("generation");
    printer.hex(in.u64());
    printer.field("stream");
    printer.text(as_text(key.subspan(id_size)));
    printer.end_struct();
    return true;
}

// smbd/fsa/leases.cpp: the client's GUID, then the lease key.
bool print_lease_key(Bytes key, idl::Printer& printer) {
    Guid guid;
    if (key.size() != 2 * guid.bytes.size()) return false;
    printer.begin_struct("lease");
    for (const char* part : {"client", "key"}) {
        std::copy_n(key.begin(), guid.bytes.size(), guid.bytes.begin());
        key = key.subspan(guid.bytes.size());
        printer.field(part);
        printer.guid(guid);
    }
    printer.end_struct();
    return true;
}

// tdb/watch: the name of a database, a NUL, and a record's key in it.
bool print_watched_key(Bytes key, idl::Printer& printer) {
    const auto end = std::find(key.begin(), key.end(), 0);
    if (end == key.end()) return false;
    const auto name = key.first(static_cast<size_t>(end - key.begin()));
    printer.begin_struct("watched");
    printer.field("database");
    printer.text(as_text(name));
    printer.field("key");
    printer.bytes(key.subspan(name.size() + 1));
    printer.end_struct();
    return true;
}

// docs/formats/object_id.md
bool print_object_id_key(Bytes key, idl::Printer& printer) {
    Guid id;
    if (key.size() != sizeof(uint64_t) + id.bytes.size()) return false;
    ByteReader in(key);
    printer.begin_struct("object_id");
    printer.field("volume");
    printer.hex(in.u64());
    in.copy(id.bytes);
    printer.field("id");
    printer.guid(id);
    printer.end_struct();
    return true;
}

// Text, with the zero byte that Samba's keys end with or without it.
bool print_text_key(Bytes key, idl::Printer& printer) {
    std::string_view text = as_text(key);
    if (text.ends_with('\0')) text.remove_suffix(1);
    if (text.empty() || !std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F; })) return false;
    printer.text(text);
    return true;
}

// Values

Result<Described> describe_as(std::span<const idl::RecordType> types, Bytes value, Form form) {
    const idl::RecordType* type = idl::find_record_type(types, value);
    if (!type) {
        const std::string tag =
            value.size() < 4 ? "too short for a record" : fmt::format("tag {:#06x}", load_le<uint16_t>(value.data() + 2));
        return fail(Code::unsupported, {}, "a record that this program does not know: " + tag);
    }
    auto text = form == Form::json ? type->to_json(value) : type->to_text(value);
    if (!text) return text.failure();
    return Described{std::string(type->name), std::move(*text)};
}

template <auto Records>
Result<Described> describe_records(Bytes, Bytes value, Form form) {
    return describe_as(Records(), value, form);
}

Result<Described> describe_any(Bytes, Bytes value, Form form) {
    for (const auto types : {xsrv::xsrv_records(), fsa::locking_records(), fsa::leases_records(), accounts::account_records(),
                             accounts::activity_records(), committer::committer_records()}) {
        if (idl::find_record_type(types, value)) return describe_as(types, value, form);
    }
    return describe_as({}, value, form);
}

template <class Print>
Described plain(Form form, Print print) {
    idl::Printer printer(form);
    print(printer);
    return {{}, printer.take()};
}

Result<Described> number(Bytes value, Form form) {
    if (value.size() != 4) return fail(Code::corrupt, {}, fmt::format("{} bytes where a number of 4 should be", value.size()));
    return plain(form, [&](idl::Printer& printer) { printer.number(load_le<uint32_t>(value.data())); });
}

Described secret(Bytes value, Form form) {
    return plain(form, [&](idl::Printer& printer) { printer.name(fmt::format("(secret, {} bytes)", value.size())); });
}

Result<Described> tdbsam_account(Bytes value, Form form) {
    accounts::Account account;
    if (auto decoded = accounts::decode_tdbsam(value, account); !decoded) return decoded.failure();
    return Described{"tdbsam", form == Form::json ? accounts::print_json(account) : accounts::print(account)};
}

Result<Described> account_record(Bytes value, Form form) { return describe_as(accounts::account_records(), value, form); }

// docs/formats/tdbsam.md: the same keys in either backend, whose accounts differ.
template <auto DescribeAccount>
Result<Described> describe_accounts(Bytes key, Bytes value, Form form) {
    const std::string_view name = as_text(key);
    if (name.starts_with("USER_")) return DescribeAccount(value, form);
    if (name.starts_with("INFO/") || name.starts_with("NEXT_RID")) return number(value, form);
    if (name.starts_with("RID_")) {
        std::string_view user = as_text(value);
        if (user.ends_with('\0')) user.remove_suffix(1);
        return plain(form, [&](idl::Printer& printer) { printer.text(user); });
    }
    return fail(Code::unsupported, {}, "a key that this program does not know");
}

Result<Described> describe_secrets(Bytes key, Bytes value, Form form) {
    if (!as_text(key).starts_with("SECRETS/SID/")) return secret(value, form);
    ByteReader in(value);
    const Sid sid = Sid::decode(in);
    if (!in.ok() || !sid.valid()) return fail(Code::corrupt, {}, "not a SID");
    return plain(form, [&](idl::Printer& printer) { printer.sid(sid); });
}

constexpr Schema schemas[] = {
    {"smbXsrv_version_global", print_text_key, describe_records<xsrv::xsrv_records>},
    {"smbXsrv_client_global.tdb", print_guid_key, describe_records<xsrv::xsrv_records>},
    {"smbXsrv_session_global.tdb", print_session_key, describe_records<xsrv::xsrv_records>},
    {"smbXsrv_tcon_global.tdb", print_tcon_key, describe_records<xsrv::xsrv_records>},
    {"smbXsrv_open_global.tdb", print_open_key, describe_records<xsrv::xsrv_records>},
    {"smbXsrv_open_index.tdb", print_guid_key, describe_records<xsrv::xsrv_records>},
    {"smbXsrv_open_persistent", print_open_key, describe_records<xsrv::xsrv_records>},
    {"smbXsrv_file_persistent", print_identifiers_key, describe_records<xsrv::xsrv_records>},
    {"smbXsrv_create_intent", print_intent_key, describe_records<xsrv::xsrv_records>},
    {"locking.tdb", print_file_key, describe_records<fsa::locking_records>},
    {"leases.tdb", print_lease_key, describe_records<fsa::leases_records>},
    {"notify_index.tdb", print_text_key, describe_records<fsa::notify_records>},
    {"object_ids.tdb", print_object_id_key, describe_records<fsa::object_ids_records>},
    {"watches.tdb", print_watched_key, describe_records<watch::watches_records>},
    {"passdb.tdb", print_text_key, describe_accounts<tdbsam_account>},
    {"accounts.mdb", print_text_key, describe_accounts<account_record>},
    {"passdb.lmdb", print_text_key, describe_accounts<account_record>},
    {"secrets.tdb", print_text_key, describe_secrets},
    {"account_activity", print_text_key, describe_records<accounts::activity_records>},
    {"committer_senders", print_guid_key, describe_records<committer::committer_records>},
};
constexpr Schema unknown{{}, print_text_key, describe_any};

}  // namespace

const Schema& schema_of(std::string_view name) {
    const auto* at = std::find_if(std::begin(schemas), std::end(schemas), [&](const Schema& schema) { return schema.name == name; });
    return at == std::end(schemas) ? unknown : *at;
}

std::span<const Schema> all_schemas() { return schemas; }

std::string describe_key(const Schema& schema, Bytes key, Form form) {
    idl::Printer printer(form);
    if (!schema.print_key(key, printer) && !print_text_key(key, printer)) printer.bytes(key);
    return printer.take();
}

}  // namespace Atoll::dbdump
