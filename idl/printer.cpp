#include "idl/printer.h"

#include <fmt/format.h>

#include <ctime>
#include <iterator>

#include "base/utf.h"

namespace Atoll::idl {

namespace {

// The length of the valid UTF-8 sequence that `v` starts with; 0 if there is none.
size_t sequence_length(std::string_view v) {
    for (size_t n = 1; n <= 4 && n <= v.size(); n++) {
        if (is_valid_utf8(v.substr(0, n))) return n;
    }
    return 0;
}

}  // namespace

void Printer::newline() {
    out_ += '\n';
    out_.append(static_cast<size_t>(depth_) * 2, ' ');
}

void Printer::begin_struct(std::string_view type) {
    if (form_ == Form::text) {
        out_ += type;
        out_ += ' ';
    }
    out_ += '{';
    depth_++;
    first_ = true;
}

void Printer::end_struct() {
    depth_--;
    if (form_ == Form::text && !first_) newline();
    out_ += '}';
    first_ = false;
}

void Printer::field(std::string_view name) {
    if (form_ == Form::text) {
        newline();
        out_ += name;
        out_ += ": ";
    } else {
        if (!first_) out_ += ',';
        quoted(name);
        out_ += ':';
    }
    first_ = false;
}

void Printer::begin_list() {
    out_ += '[';
    first_ = true;
}

void Printer::end_list() {
    out_ += ']';
    first_ = false;
}

void Printer::element() {
    if (!first_) out_ += form_ == Form::text ? ", " : ",";
    first_ = false;
}

void Printer::number(uint64_t v) { fmt::format_to(std::back_inserter(out_), "{}", v); }

void Printer::signed_number(int64_t v) { fmt::format_to(std::back_inserter(out_), "{}", v); }

void Printer::hex(uint64_t v) {
    if (form_ == Form::json) return number(v);
    fmt::format_to(std::back_inserter(out_), "{:#x}", v);
}

void Printer::boolean(bool v) { out_ += v ? "true" : "false"; }

void Printer::null() { out_ += "null"; }

void Printer::text(std::string_view v) { quoted(v); }

void Printer::bytes(Bytes v) {
    out_ += '"';
    for (const uint8_t byte : v) fmt::format_to(std::back_inserter(out_), "{:02x}", byte);
    out_ += '"';
}

void Printer::name(std::string_view v) {
    if (form_ == Form::json) return quoted(v);
    out_ += v;
}

void Printer::context_handle(uint32_t attributes, const Guid& uuid) { name(fmt::format("{} {}", attributes, to_string(uuid))); }

void Printer::time(NtTime v) {
    if (v.ticks == 0) return name("never");
    const timespec t = v.to_timespec();
    tm parts{};
    if (gmtime_r(&t.tv_sec, &parts) == nullptr) return number(v.ticks);
    char date[64];
    const size_t n = std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
    name(fmt::format("{}.{:07}Z", std::string_view(date, n), t.tv_nsec / 100));
}

void Printer::quoted(std::string_view v) {
    out_ += '"';
    while (!v.empty()) {
        const auto c = static_cast<unsigned char>(v.front());
        const size_t n = sequence_length(v);
        if (n == 0) {
            if (form_ == Form::json)
                out_ += "\\ufffd";
            else
                fmt::format_to(std::back_inserter(out_), "\\x{:02x}", c);
        } else if (c == '"' || c == '\\') {
            out_ += '\\';
            out_ += v.front();
        } else if (c < 0x20) {
            fmt::format_to(std::back_inserter(out_), "\\u{:04x}", c);
        } else {
            out_ += v.substr(0, n);
        }
        v.remove_prefix(n == 0 ? 1 : n);
    }
    out_ += '"';
}

}  // namespace Atoll::idl
