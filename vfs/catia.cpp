// catia: characters of names that clients cannot say are shown as others (vfs_catia(8)). catia:mappings = SERVER:CLIENT, ...: code points
// in hexadecimal, those above 0x7f included. What is no mapping, and one of '/', is left out.
#include <charconv>
#include <cstring>

#include "vfs/module_options.h"
#include "vfs/modules.h"

namespace Atoll::vfs {

namespace {

constexpr size_t entry_head = 19;     // of a linux_dirent64, before the name
constexpr size_t largest_growth = 4;  // bytes of a character for one byte of another

struct Mapping {
    std::string server, client;  // one character each, UTF-8
};

std::string utf8_of(uint32_t c) {
    if (c < 0x80) return {static_cast<char>(c)};
    if (c < 0x800) return {static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 0x3f))};
    return {static_cast<char>(0xe0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3f)), static_cast<char>(0x80 | (c & 0x3f))};
}

// 0 for what is no code point of the basic plane.
uint32_t code_point(std::string_view text) {
    if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
    uint32_t c = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), c, 16);
    return error == std::errc() && end == text.data() + text.size() && c <= 0xffff ? c : 0;
}

size_t character_size(char lead) {
    const auto byte = static_cast<unsigned char>(lead);
    if (byte < 0xc0) return 1;
    if (byte < 0xe0) return 2;
    return byte < 0xf0 ? 3 : 4;
}

class Catia final : public Module {
 public:
    explicit Catia(std::unique_ptr<Vfs> below) : Module(std::move(below)) {
        for (const std::string& pair : option_list(options(), "catia:mappings")) {
            const size_t colon = pair.find(':');
            if (colon == std::string::npos) continue;
            const uint32_t server = code_point(std::string_view(pair).substr(0, colon)), client = code_point(pair.substr(colon + 1));
            if (server == 0 || client == 0 || server == '/' || client == '/') continue;
            mappings_.push_back({utf8_of(server), utf8_of(client)});
        }
    }

    Result<File, int> open(const char* path, const OpenHow& how) override { return next().open(to_server(path).c_str(), how); }
    Result<File, int> open_below(const File& top, const char* path, const OpenHow& how) override {
        return next().open_below(top, to_server(path).c_str(), how);
    }
    Result<File, int> open_at(const File& parent, const char* leaf, const OpenHow& how) override {
        return next().open_at(parent, to_server(leaf).c_str(), how);
    }
    Result<void, int> mkdir(const File& parent, const char* leaf, mode_t mode) override {
        return next().mkdir(parent, to_server(leaf).c_str(), mode);
    }
    Result<void, int> unlink(const File& parent, const char* leaf) override { return next().unlink(parent, to_server(leaf).c_str()); }
    Result<void, int> rmdir(const File& parent, const char* leaf) override { return next().rmdir(parent, to_server(leaf).c_str()); }
    Result<void, int> rename(const File& parent, const char* leaf, const File& new_parent, const char* new_leaf, bool replace) override {
        const std::string from = to_server(leaf), to = to_server(new_leaf);
        return next().rename(parent, from.c_str(), new_parent, to.c_str(), replace);
    }
    Result<void, int> link(const File& file, const File& new_parent, const char* new_leaf) override {
        return next().link(file, new_parent, to_server(new_leaf).c_str());
    }
    Result<std::string, int> read_link(const File& parent, const char* leaf) override {
        return next().read_link(parent, to_server(leaf).c_str());
    }
    Result<Stat, int> stat_at(const File& parent, const char* leaf) override { return next().stat_at(parent, to_server(leaf).c_str()); }
    DosAttributes dos_attributes_at(const File& parent, const char* leaf, const Stat& stat) override {
        return next().dos_attributes_at(parent, to_server(leaf).c_str(), stat);
    }
    Result<size_t, int> get_xattr_at(const File& parent, const char* leaf, const char* name, MutableBytes out) override {
        return next().get_xattr_at(parent, to_server(leaf).c_str(), name, out);
    }
    Result<size_t, int> list_xattr_at(const File& parent, const char* leaf, MutableBytes out) override {
        return next().list_xattr_at(parent, to_server(leaf).c_str(), out);
    }
    Result<size_t, int> read_directory(const File& directory, MutableBytes out) override;
    bool plain_names() const override { return false; }

 private:
    using Side = std::string Mapping::*;
    void map(std::string_view name, Side from, Side to, std::string& out) const;
    // Stays valid as long as the caller keeps it.
    [[nodiscard]] std::string to_server(std::string_view name) const {
        std::string out;
        map(name, &Mapping::client, &Mapping::server, out);
        return out;
    }

    std::vector<Mapping> mappings_;
    std::vector<uint8_t> entries_;  // scratch
    std::string name_;
};

void Catia::map(std::string_view name, Side from, Side to, std::string& out) const {
    out.clear();
    while (!name.empty()) {
        const size_t size = std::min(character_size(name.front()), name.size());
        std::string_view character = name.substr(0, size);
        name.remove_prefix(size);
        for (const Mapping& m : mappings_) {
            if (character != m.*from) continue;
            character = m.*to;
            break;
        }
        out += character;
    }
}

// The records are made anew, with names that may be longer; so fewer are read at a time than fit.
Result<size_t, int> Catia::read_directory(const File& directory, MutableBytes out) {
    entries_.resize(out.size() / largest_growth);
    auto got = next().read_directory(directory, entries_);
    if (!got) return got;
    size_t put = 0;
    for (size_t at = 0; at < *got;) {
        uint16_t length = 0;
        std::memcpy(&length, entries_.data() + at + 16, sizeof length);
        map(reinterpret_cast<const char*>(entries_.data() + at + entry_head), &Mapping::server, &Mapping::client, name_);
        const size_t size = (entry_head + name_.size() + 1 + 7) / 8 * 8;
        ATOLL_ASSERT(put + size <= out.size());
        std::memcpy(out.data() + put, entries_.data() + at, entry_head);
        std::memset(out.data() + put + entry_head, 0, size - entry_head);
        std::memcpy(out.data() + put + entry_head, name_.data(), name_.size());
        const auto new_length = static_cast<uint16_t>(size);
        std::memcpy(out.data() + put + 16, &new_length, sizeof new_length);
        put += size;
        at += length;
    }
    return put;
}

}  // namespace

std::unique_ptr<Vfs> make_catia(std::unique_ptr<Vfs> next) { return std::make_unique<Catia>(std::move(next)); }

}  // namespace Atoll::vfs
