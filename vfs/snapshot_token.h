// @GMT tokens (MS-SMB2 glossary): a time of a snapshot as a component of a path, "@GMT-YYYY.MM.DD-hh.mm.ss" in UTC.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace Atoll::vfs {

constexpr size_t snapshot_token_size = 24;

// Seconds since 1970, never 0; nullopt for what is no token, or no time after 1970.
std::optional<int64_t> parse_snapshot_token(std::string_view text);

// `time` > 0; past the year 9999 an empty text, which no token is.
std::string snapshot_token(int64_t time);

// Takes the first component that is a token out of a path; 0: there is none.
int64_t take_snapshot_token(std::string& path);

}  // namespace Atoll::vfs
