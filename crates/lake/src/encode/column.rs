//! A column of a batch → the pages of its chunk.

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _};
use arrow::datatypes::DataType;
use bytes::Bytes;
use parquet::basic::{CompressionCodec, Encoding, EncodingMask, PageType};
use parquet::column::page::{CompressedPage, Page, PageWriteSpec, PageWriter as _};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, PageEncodingStats};
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use zstd::bulk::Compressor;

use super::levels::Levels;
use super::values::{Dictionary, Values};

/// Level of Zstandard: the least, as most writers have it.
const LEVEL: i32 = 1;
/// Bytes of a column from which on it is compressed. What is shorter is mostly packed bits, of which a compressor takes off a tenth.
const COMPRESSED_MIN_BYTES: usize = 2_048;
/// Most rows and bytes of a page, as in most writers, because readers hold a page at a time. One value may be longer.
const PAGE_ROWS: usize = 20_000;
const PAGE_BYTES: usize = 1 << 20;

/// Writes one column chunk after the other.
pub(super) struct ChunkWriter<'w, W: Write> {
    file: &'w mut TrackedWrite<W>,
    compressor: Compressor<'static>,
    codec: CompressionCodec,
}

/// A column while its pages are made.
struct Column<'a> {
    rows: usize,
    levels: Levels<'a>,
    values: Values<'a>,
    dictionary: Option<Dictionary>,
    encoding: Encoding,
}

/// A page of values before it is compressed.
struct DataPage {
    bytes: Vec<u8>,
    /// Values, nulls and empty lists included.
    values: u32,
}

impl<'w, W: Write + Send> ChunkWriter<'w, W> {
    pub(super) fn new(file: &'w mut TrackedWrite<W>, codec: CompressionCodec) -> Result<Self> {
        Ok(Self {
            file,
            codec,
            compressor: Compressor::new(LEVEL)?,
        })
    }

    /// Writes a column, and returns what the footer says of it.
    pub(super) fn write(
        &mut self,
        descriptor: &ColumnDescPtr,
        array: &ArrayRef,
    ) -> Result<ColumnChunkMetaData> {
        let column = Column::of(descriptor, array)?;
        let pages = column.pages()?;
        let dictionary = column.dictionary.as_ref();
        let bytes = pages.iter().map(|page| page.bytes.len()).sum::<usize>()
            + dictionary.map_or(0, |dictionary| dictionary.page.len());
        let codec = if bytes < COMPRESSED_MIN_BYTES {
            CompressionCodec::UNCOMPRESSED
        } else {
            self.codec
        };
        let mut specs = Vec::with_capacity(pages.len() + 1);
        if let Some(dictionary) = dictionary {
            specs.push(
                self.write_page(codec, &dictionary.page, |buf| Page::DictionaryPage {
                    buf,
                    num_values: dictionary.distinct,
                    encoding: Encoding::PLAIN,
                    is_sorted: false,
                })?,
            );
        }
        for page in &pages {
            specs.push(self.write_page(codec, &page.bytes, |buf| Page::DataPage {
                buf,
                num_values: page.values,
                encoding: column.encoding,
                def_level_encoding: Encoding::RLE,
                rep_level_encoding: Encoding::RLE,
                statistics: None,
            })?);
        }
        column.metadata(descriptor, codec, &specs)
    }

    fn write_page(
        &mut self,
        codec: CompressionCodec,
        bytes: &[u8],
        page: impl FnOnce(Bytes) -> Page,
    ) -> Result<PageWriteSpec> {
        let buffer = match codec {
            CompressionCodec::UNCOMPRESSED => bytes.to_vec(),
            _ => self.compressor.compress(bytes)?,
        };
        let page = CompressedPage::new(page(buffer.into()), bytes.len());
        SerializedPageWriter::new(self.file).write_page(page)
    }
}

impl<'a> Column<'a> {
    fn of(descriptor: &ColumnDescPtr, array: &'a ArrayRef) -> Result<Self> {
        let length = descriptor.type_length();
        let present = u32::from(descriptor.max_def_level().unsigned_abs());
        let (levels, values) = match array.data_type() {
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                (Levels::List(list, present), Values::of_lists(list)?)
            }
            _ if present == 0 => (Levels::Required, Values::of(array, length)?),
            _ => {
                let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
                (Levels::Nullable(nulls), Values::of(array, length)?)
            }
        };
        let dictionary = values.dictionary();
        Ok(Self {
            rows: array.len(),
            encoding: match dictionary {
                Some(_) => Encoding::RLE_DICTIONARY,
                None => values.encoding(),
            },
            levels,
            values,
            dictionary,
        })
    }

    /// Returns the pages of values: so many rows each that no limit is passed.
    fn pages(&self) -> Result<Vec<DataPage>> {
        let mut pages = Vec::new();
        let (mut row, mut value) = (0, 0);
        while row < self.rows {
            let mut rows = PAGE_ROWS.min(self.rows - row);
            let (mut bytes, levels, values) = loop {
                let mut bytes = Vec::new();
                let (levels, values) = self.levels.append(row..row + rows, &mut bytes);
                let size = match self.dictionary {
                    Some(_) => 0,
                    None => self.values.bytes(value..value + values),
                };
                if rows == 1 || size <= PAGE_BYTES {
                    break (bytes, levels, values);
                }
                rows /= 2;
            };
            self.append_values(value..value + values, &mut bytes);
            let levels = u32::try_from(levels);
            pages.push(DataPage {
                bytes,
                values: levels.map_err(|error| ParquetError::General(error.to_string()))?,
            });
            row += rows;
            value += values;
        }
        if value != self.values.len() {
            let message = "a row without a list has values";
            return Err(ParquetError::General(message.to_owned()));
        }
        Ok(pages)
    }

    fn append_values(&self, range: Range<usize>, bytes: &mut Vec<u8>) {
        match &self.dictionary {
            Some(dictionary) => dictionary.append(range, bytes),
            None => self.values.append(self.encoding, range, bytes),
        }
    }

    fn metadata(
        &self,
        descriptor: &ColumnDescPtr,
        codec: CompressionCodec,
        pages: &[PageWriteSpec],
    ) -> Result<ColumnChunkMetaData> {
        let offset_of = |page_type: PageType| {
            let mut pages = pages.iter().filter(move |page| page.page_type == page_type);
            pages.next().map(|page| page.offset.cast_signed())
        };
        let sum = |of: fn(&PageWriteSpec) -> u64| pages.iter().map(of).sum::<u64>().cast_signed();
        let values = pages
            .iter()
            .filter(|page| page.page_type == PageType::DATA_PAGE);
        let count: u64 = values.clone().map(|page| u64::from(page.num_values)).sum();
        let mut encodings = vec![Encoding::RLE, self.encoding];
        let mut stats = vec![PageEncodingStats {
            page_type: PageType::DATA_PAGE,
            encoding: self.encoding,
            count: i32::try_from(values.count()).unwrap_or(i32::MAX),
        }];
        if self.dictionary.is_some() {
            encodings.push(Encoding::PLAIN);
            stats.insert(
                0,
                PageEncodingStats {
                    page_type: PageType::DICTIONARY_PAGE,
                    encoding: Encoding::PLAIN,
                    count: 1,
                },
            );
        }
        let mut chunk = ColumnChunkMetaData::builder(Arc::clone(descriptor))
            .set_encodings_mask(EncodingMask::new_from_encodings(encodings.iter()))
            .set_page_encoding_stats(stats)
            .set_compression_codec(codec)
            .set_num_values(count.cast_signed())
            .set_unencoded_byte_array_data_bytes(self.values.text_bytes())
            .set_total_compressed_size(sum(|page| page.compressed_size as u64))
            .set_total_uncompressed_size(sum(|page| page.uncompressed_size as u64))
            .set_dictionary_page_offset(offset_of(PageType::DICTIONARY_PAGE))
            .set_data_page_offset(offset_of(PageType::DATA_PAGE).unwrap_or_default());
        if let Some(statistics) = self.values.statistics(self.rows) {
            chunk = chunk.set_statistics(statistics);
        }
        chunk.build()
    }
}
