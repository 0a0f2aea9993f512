// An information buffer: the first byte is the class (with the high bit: of the file system), the rest is the buffer.
#include "libcli/smb/fscc_directory.h"
#include "libcli/smb/fscc_file.h"
#include "libcli/smb/fscc_fs.h"
#include "libcli/smb/fuzz_touch.h"
#include "libcli/smb/reparse.h"

namespace Atoll::smb {
namespace {

template <class T>
void structure(Bytes bytes) {
    if (auto r = T::decode(bytes); r.ok()) again_alone(*r);
}

void directory(FileInformationClass c, Bytes bytes) {
    DirectoryListReader reader(bytes, c);
    Buffer buffer;
    ByteWriter out(buffer);
    DirectoryListWriter writer(out, c, 4 * bytes.size() + 1024);
    size_t entries = 0;
    while (auto e = reader.next()) {
        touch(e->name);
        touch(e->short_name);
        if (writer.add(*e)) ++entries;
    }
    DirectoryListReader second(buffer, c);
    while (second.next()) --entries;
    ATOLL_ASSERT(entries == 0);
}

void lists(Bytes bytes) {
    EntryListReader streams(bytes), eas(bytes), names(bytes), links(bytes), quotas(bytes), sids(bytes), notes(bytes);
    while (auto e = next_stream(streams)) touch(e->name);
    while (auto e = next_ea(eas)) touch(e->name), touch(e->value);
    while (auto e = next_get_ea(names)) touch(*e);
    while (auto e = next_link(links)) touch(e->name);
    while (auto e = next_quota(quotas)) touch(e->sid);
    while (auto e = next_get_quota(sids)) touch(*e);
    while (auto e = next_notify(notes)) touch(e->name);
}

void reparse(Bytes bytes) {
    auto r = ReparseData::decode(bytes);
    if (!r) return;
    if (auto s = SymlinkReparse::decode(r->data, r->tag); s.ok()) touch(s->substitute_name), touch(s->print_name);
    if (auto n = NfsReparse::decode(r->data); n.ok()) touch(n->data);
}

void file(Bytes bytes) {
    structure<FileBasicInformation>(bytes);
    structure<FileStandardInformation>(bytes);
    structure<FileStandardLinkInformation>(bytes);
    structure<FileInternalInformation>(bytes);
    structure<FileEaInformation>(bytes);
    structure<FileNameInformation>(bytes);
    structure<FileAllInformation>(bytes);
    structure<FileCompressionInformation>(bytes);
    structure<FileNetworkOpenInformation>(bytes);
    structure<FileAttributeTagInformation>(bytes);
    structure<FileDispositionInformation>(bytes);
    structure<FileIdInformation>(bytes);
    structure<FileObjectIdInformation>(bytes);
    structure<FileReparsePointInformation>(bytes);
    structure<FilePipeInformation>(bytes);
    structure<FilePipeLocalInformation>(bytes);
    structure<FilePipeRemoteInformation>(bytes);
    for (bool ex : {false, true}) {
        if (auto r = FileRenameInformation::decode(bytes, ex); r.ok()) touch(r->name);
    }
    if (auto r = FileHardLinkInformation::decode(bytes); r.ok()) lists(r->entries);
}

void file_system(Bytes bytes) {
    structure<FsVolumeInformation>(bytes);
    structure<FsLabelInformation>(bytes);
    structure<FsSizeInformation>(bytes);
    structure<FsFullSizeInformation>(bytes);
    structure<FsDeviceInformation>(bytes);
    structure<FsAttributeInformation>(bytes);
    structure<FsControlInformation>(bytes);
    structure<FsObjectIdInformation>(bytes);
    structure<FsSectorSizeInformation>(bytes);
}

}  // namespace
}  // namespace Atoll::smb

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace Atoll::smb;
    if (size == 0) return 0;
    Atoll::Bytes bytes(data + 1, size - 1);
    const auto c = static_cast<FileInformationClass>(data[0]);
    if (data[0] & 0x80) {
        file_system(bytes);
    } else if (is_directory_class(c)) {
        directory(c, bytes);
    } else if (c == FileInformationClass::stream || c == FileInformationClass::full_ea || c == FileInformationClass::quota) {
        lists(bytes);
    } else if (c == FileInformationClass::reparse_point) {
        reparse(bytes);
    } else {
        file(bytes);
    }
    return 0;
}
