// The part of an enumeration that one call returns (MS-SRVS 3.1.4.8 and its siblings): from the resume handle on, as much as the client
// has room for.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "smbd/services/net_error.h"

namespace Atoll::services {

template <class View>
struct Page {
    std::span<const View> entries;
    uint32_t total = 0;              // from the resume handle on
    std::optional<uint32_t> resume;  // the index after which the next call begins; 0 at the end
    uint32_t result = net_error::success;
};

// `size(view)` is what an entry takes, in bytes. `preferred` UINT32_MAX: all (MAX_PREFERRED_LENGTH). A client without a resume handle
// begins at the first.
template <class View, class Size>
Page<View> page_of(const std::vector<View>& all, uint32_t preferred, const std::optional<uint32_t>& resume, Size size) {
    Page<View> page;
    const size_t begin = std::min<size_t>(resume.value_or(0), all.size());
    page.total = static_cast<uint32_t>(all.size() - begin);
    size_t end = begin;
    for (uint64_t used = 0; end < all.size(); end++) {
        used += size(all[end]);
        if (preferred != UINT32_MAX && used > preferred) break;
    }
    page.entries = std::span(all).subspan(begin, end - begin);
    if (end < all.size()) page.result = end == begin ? net_error::buffer_too_small : net_error::more_data;
    if (resume) page.resume = end < all.size() ? static_cast<uint32_t>(end) : 0;
    return page;
}

// Bytes of a counted text in a caller's buffer: UTF-16 and its NUL. An upper bound that needs no conversion.
inline size_t text_size(std::string_view text) { return (text.size() + 1) * 2; }

}  // namespace Atoll::services
