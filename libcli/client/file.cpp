#include "libcli/client/file.h"

#include <algorithm>

#include "base/utf.h"

namespace Atoll::client {

using smb::Command;

OpenOptions OpenOptions::write() {
    OpenOptions o;
    o.access = smb::access_mask::file_generic_read | smb::access_mask::file_generic_write | smb::access_mask::delete_access;
    o.disposition = smb::CreateDisposition::overwrite_if;
    o.options = smb::create_options::non_directory_file;
    return o;
}

OpenOptions OpenOptions::directory(bool create) {
    OpenOptions o;
    o.disposition = create ? smb::CreateDisposition::open_if : smb::CreateDisposition::open;
    o.options = smb::create_options::directory_file;
    return o;
}

CreateCall::CreateCall(std::string_view utf8_name, const OpenOptions& options) : contexts(options.contexts) {
    ATOLL_ASSERT(append_utf16le(name, utf8_name));
    request.oplock_level = options.oplock;
    request.desired_access = options.access;
    request.file_attributes = options.attributes;
    request.share_access = options.share;
    request.disposition = options.disposition;
    request.options = options.options;
    request.name = name;
}

Result<File, NtStatus> File::open(Tree& tree, std::string_view name, const OpenOptions& options) {
    if (!is_valid_utf8(name)) return NtStatus::OBJECT_NAME_INVALID;
    auto response = tree.call<smb::CreateResponse>(Command::create, CreateCall(name, options));
    if (!response) return response.failure();
    File file(tree, *response);
    auto contexts = smb::CreateResponseContexts::decode(response->contexts);
    if (!contexts) return contexts.failure();
    file.contexts_ = *contexts;
    if (file.contexts_.svhdx) file.contexts_.svhdx->initiator_host_name = {};
    return file;
}

ExchangePtr File::start_read(uint64_t offset, uint32_t length) {
    smb::ReadRequest request;
    request.padding = smb::ReadResponse::payload_offset;
    request.length = length;
    request.offset = offset;
    request.file_id = id_;
    RequestOptions o;
    o.payload = length;
    return tree_->start(Command::read, request, o);
}

ExchangePtr File::start_write(uint64_t offset, Bytes data, uint32_t flags) {
    smb::WriteRequest request;
    request.offset = offset;
    request.file_id = id_;
    request.flags = flags;
    request.data = data;
    RequestOptions o;
    o.payload = static_cast<uint32_t>(data.size());
    return tree_->start(Command::write, request, o);
}

NtStatus File::read(uint64_t offset, uint32_t length, Buffer& out) {
    ExchangePtr exchange = start_read(offset, std::min(length, tree_->connection().negotiated().max_read_size));
    const NtStatus status = tree_->connection().wait(exchange);
    if (is_error(status)) return status;
    auto response = exchange->decode<smb::ReadResponse>();
    if (!response) return response.error();
    out.append(response->data);
    return status;
}

Result<uint32_t, NtStatus> File::write(uint64_t offset, Bytes data, uint32_t flags) {
    const size_t length = std::min<size_t>(data.size(), tree_->connection().negotiated().max_write_size);
    ExchangePtr exchange = start_write(offset, data.first(length), flags);
    const NtStatus status = tree_->connection().wait(exchange);
    if (is_error(status)) return status;
    auto response = exchange->decode<smb::WriteResponse>();
    if (!response) return response.failure();
    return response->count;
}

ExchangePtr File::start_lock(std::span<const smb::LockElement> elements, LockSequence sequence) {
    Buffer list;
    ByteWriter out(list);
    for (const smb::LockElement& element : elements) smb::LockRequest::encode_element(out, element);
    smb::LockRequest request;
    request.sequence_index = sequence.index;
    request.sequence_number = sequence.number;
    request.file_id = id_;
    request.elements = list;
    return tree_->start(Command::lock, request);
}

NtStatus File::lock(uint64_t offset, uint64_t length, uint32_t flags, LockSequence sequence) {
    const smb::LockElement element{offset, length, flags};
    return tree_->connection().wait(start_lock({&element, 1}, sequence));
}

NtStatus File::unlock(uint64_t offset, uint64_t length, LockSequence sequence) {
    return lock(offset, length, smb::lock_flags::unlock, sequence);
}

NtStatus File::flush() { return tree_->connection().wait(tree_->start(Command::flush, smb::FlushRequest{id_})); }

NtStatus File::close() { return tree_->connection().wait(tree_->start(Command::close, smb::CloseRequest{0, id_})); }

Result<smb::CloseResponse, NtStatus> File::close_with_attributes() {
    return tree_->call<smb::CloseResponse>(Command::close, smb::CloseRequest{smb::close_flags::postquery_attrib, id_});
}

NtStatus File::query(smb::InfoType type, uint8_t info_class, Buffer& out, uint32_t max_size, uint32_t additional) {
    smb::QueryInfoRequest request;
    request.info_type = type;
    request.info_class = info_class;
    request.output_buffer_length = max_size;
    request.additional_information = additional;
    request.file_id = id_;
    RequestOptions o;
    o.payload = max_size;
    ExchangePtr exchange = tree_->start(Command::query_info, request, o);
    const NtStatus status = tree_->connection().wait(exchange);
    if (is_error(status)) return status;
    auto response = smb::OutputBufferResponse::decode(exchange->message());
    if (!response) return response.error();
    out.append(response->output);
    return status;
}

NtStatus File::set(smb::InfoType type, uint8_t info_class, Bytes information, uint32_t additional) {
    smb::SetInfoRequest request;
    request.info_type = type;
    request.info_class = info_class;
    request.additional_information = additional;
    request.file_id = id_;
    request.buffer = information;
    RequestOptions o;
    o.payload = static_cast<uint32_t>(information.size());
    return tree_->connection().wait(tree_->start(Command::set_info, request, o));
}

NtStatus File::set_delete(bool on) { return set(smb::FileInformationClass::disposition, smb::FileDispositionInformation{on}); }

NtStatus File::rename(std::string_view new_name, bool replace) {
    auto name = utf8_to_utf16le(new_name);
    if (!name) return NtStatus::OBJECT_NAME_INVALID;
    Buffer bytes;
    ByteWriter out(bytes);
    smb::FileRenameInformation{replace ? smb::rename_flags::replace_if_exists : 0, 0, *name}.encode(out, false);
    return set(smb::InfoType::file, static_cast<uint8_t>(smb::FileInformationClass::rename), bytes);
}

NtStatus File::query_directory(smb::FileInformationClass c, uint8_t flags, std::string_view pattern, uint32_t max_size,
                               std::vector<DirectoryItem>& out) {
    auto name = utf8_to_utf16le(pattern);
    if (!name) return NtStatus::OBJECT_NAME_INVALID;
    smb::QueryDirectoryRequest request{c, flags, 0, id_, *name, max_size};
    RequestOptions o;
    o.payload = max_size;
    ExchangePtr exchange = tree_->start(Command::query_directory, request, o);
    const NtStatus status = tree_->connection().wait(exchange);
    if (is_error(status) || is_warning(status)) return status;
    auto response = smb::OutputBufferResponse::decode(exchange->message());
    if (!response) return response.error();
    smb::DirectoryListReader reader(response->output, c);
    while (auto entry = reader.next()) {
        auto text = utf16le_to_utf8(entry->name);
        if (!text) return NtStatus::INVALID_NETWORK_RESPONSE;
        out.push_back({std::move(*text), entry->info, entry->file_id});
    }
    return reader.malformed() ? NtStatus::INVALID_NETWORK_RESPONSE : status;
}

Result<std::vector<DirectoryItem>, NtStatus> File::list(std::string_view pattern) {
    std::vector<DirectoryItem> items;
    for (;;) {
        const NtStatus status = query_directory(smb::FileInformationClass::id_both_directory, 0, pattern, 65536, items);
        if (status == NtStatus::NO_MORE_FILES || status == NtStatus::NO_SUCH_FILE) return items;
        if (is_error(status) || is_warning(status)) return status;
    }
}

NtStatus make_directory(Tree& tree, std::string_view name) {
    OpenOptions o = OpenOptions::directory(true);
    o.disposition = smb::CreateDisposition::create;
    auto file = File::open(tree, name, o);
    return file ? file->close() : file.error();
}

NtStatus remove(Tree& tree, std::string_view name) {
    OpenOptions o;
    o.access = smb::access_mask::delete_access;
    o.options = smb::create_options::delete_on_close | smb::create_options::open_reparse_point;
    auto file = File::open(tree, name, o);
    return file ? file->close() : file.error();
}

NtStatus remove_tree(Tree& tree, std::string_view name) {
    auto file = File::open(tree, name, OpenOptions::directory(false));
    if (!file) {
        if (file.error() == NtStatus::OBJECT_NAME_NOT_FOUND || file.error() == NtStatus::OBJECT_PATH_NOT_FOUND) return NtStatus::SUCCESS;
        return file.error() == NtStatus::NOT_A_DIRECTORY ? remove(tree, name) : file.error();
    }
    auto items = file->list();
    (void)file->close();
    if (!items) return items.error();
    for (const DirectoryItem& item : *items) {
        if (item.name == "." || item.name == "..") continue;
        const std::string below = std::string(name) + "\\" + item.name;
        const bool directory = (item.info.file_attributes & smb::file_attribute::directory) != 0;
        const NtStatus status = directory ? remove_tree(tree, below) : remove(tree, below);
        if (is_error(status)) return status;
    }
    return remove(tree, name);
}

NtStatus put(Tree& tree, std::string_view name, Bytes content) {
    auto file = File::open(tree, name, OpenOptions::write());
    if (!file) return file.error();
    for (size_t at = 0; at < content.size();) {
        auto written = file->write(at, content.subspan(at));
        if (!written || *written == 0) return written ? NtStatus::UNEXPECTED_IO_ERROR : written.error();
        at += *written;
    }
    return file->close();
}

NtStatus get(Tree& tree, std::string_view name, Buffer& out) {
    auto file = File::open(tree, name, OpenOptions::read());
    if (!file) return file.error();
    out.clear();
    NtStatus status = NtStatus::SUCCESS;
    while (!is_error(status)) status = file->read(out.size(), 1u << 20, out);
    const NtStatus closed = file->close();
    return status == NtStatus::END_OF_FILE ? closed : status;
}

}  // namespace Atoll::client
