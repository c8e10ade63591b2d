//! D-Bus messages, as far as a conversation with a Secret Service needs them (D-Bus specification, "Marshaling" and
//! "Message Protocol"): calls go out, answers and errors come in, little-endian or big-endian as their sender likes.

use zeroize::{Zeroize, Zeroizing};

/// The bytes before the header fields: what a reader needs to know how much follows.
pub(super) const HEAD: usize = 16;

/// The longest message that is read.
const LIMIT: usize = 1 << 20;

const METHOD_CALL: u8 = 1;
const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;

const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

/// A method and where it is.
#[derive(Clone, Copy)]
pub(super) struct Method<'a> {
    pub(super) destination: &'a str,
    pub(super) path: &'a str,
    pub(super) interface: &'a str,
    pub(super) member: &'a str,
}

/// What came in that is of interest.
pub(super) enum Incoming {
    /// The answer to the call of this serial number.
    Returned(u32, Reader),
    /// The refusal of that call, by its name.
    Refused(u32, String),
    /// A signal, or a call that nobody here answers.
    Other,
}

/// The bytes of a method call.
pub(super) fn call(serial: u32, method: Method<'_>, signature: &str, body: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut fields = Writer::default();
    for (code, kind, text) in [
        (PATH, "o", method.path),
        (INTERFACE, "s", method.interface),
        (MEMBER, "s", method.member),
        (DESTINATION, "s", method.destination),
    ] {
        fields.align(8).byte(code).signature(kind).text(text);
    }
    if !signature.is_empty() {
        fields.align(8).byte(SIGNATURE).signature("g").signature(signature);
    }
    let mut message = Writer::with_capacity(HEAD + fields.bytes.len() + 8 + body.len());
    // Flags: none, so that a keyring which is not running yet is started.
    message.byte(b'l').byte(METHOD_CALL).byte(0).byte(1);
    message.number(length(body)).number(serial).number(length(&fields.bytes));
    message.raw(&fields.bytes).align(8).raw(body);
    std::mem::take(&mut message.bytes)
}

/// How many bytes follow the head; `None` for what is no message, or one that is too long.
pub(super) fn rest_of(head: [u8; HEAD]) -> Option<usize> {
    let mut reader = Reader::new(Zeroizing::new(head.to_vec()), endianness(head[0])?);
    reader.at = 4;
    let body = reader.number()? as usize;
    reader.number()?;
    let fields = (reader.number()? as usize).checked_next_multiple_of(8)?;
    fields.checked_add(body).filter(|rest| *rest <= LIMIT)
}

/// What a whole message says; `None` for one that is malformed.
pub(super) fn parse(message: Zeroizing<Vec<u8>>) -> Option<Incoming> {
    let kind = *message.get(1)?;
    let is_big = endianness(*message.first()?)?;
    let mut reader = Reader::new(message, is_big);
    reader.at = 12;
    let end = reader.number()? as usize + HEAD;
    let (mut serial, mut name) = (None, None);
    while reader.at < end {
        reader.align(8)?;
        let code = reader.byte()?;
        match reader.signature()?.as_str() {
            "u" => {
                let number = reader.number()?;
                serial = serial.or((code == REPLY_SERIAL).then_some(number));
            }
            "s" | "o" => {
                let text = reader.text()?;
                name = name.or((code == ERROR_NAME).then_some(text));
            }
            "g" => drop(reader.signature()?),
            _ => return None,
        }
    }
    reader.at = end;
    reader.align(8)?;
    Some(match (kind, serial) {
        (METHOD_RETURN, Some(serial)) => Incoming::Returned(serial, reader),
        (ERROR, Some(serial)) => Incoming::Refused(serial, name.unwrap_or_default()),
        _ => Incoming::Other,
    })
}

/// Reads values one after the other. Its bytes are wiped when it is dropped: they may hold a secret.
pub(super) struct Reader {
    bytes: Zeroizing<Vec<u8>>,
    at: usize,
    is_big: bool,
}

impl Reader {
    fn new(bytes: Zeroizing<Vec<u8>>, is_big: bool) -> Self {
        Self { bytes, at: 0, is_big }
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(super) fn number(&mut self) -> Option<u32> {
        self.align(4)?;
        let is_big = self.is_big;
        let bytes: [u8; 4] = self.take(4)?.try_into().ok()?;
        Some(if is_big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        self.number().map(|number| number != 0)
    }

    /// A string, or an object path.
    pub(super) fn text(&mut self) -> Option<String> {
        let length = self.number()? as usize;
        let text = str::from_utf8(self.take(length)?).ok()?.to_owned();
        (self.byte()? == 0).then_some(text)
    }

    pub(super) fn signature(&mut self) -> Option<String> {
        let length = usize::from(self.byte()?);
        let text = str::from_utf8(self.take(length)?).ok()?.to_owned();
        (self.byte()? == 0).then_some(text)
    }

    /// An array of bytes.
    pub(super) fn bytes(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        let length = self.number()? as usize;
        self.take(length).map(|bytes| Zeroizing::new(bytes.to_vec()))
    }

    /// An array of strings or object paths.
    pub(super) fn texts(&mut self) -> Option<Vec<String>> {
        let length = self.number()? as usize;
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len())?;
        let mut texts = Vec::new();
        while self.at < end {
            texts.push(self.text()?);
        }
        Some(texts)
    }

    pub(super) fn align(&mut self, to: usize) -> Option<()> {
        self.at = self.at.checked_next_multiple_of(to).filter(|at| *at <= self.bytes.len())?;
        Some(())
    }

    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }
}

/// Writes values one after the other, little-endian.
#[derive(Default)]
pub(super) struct Writer {
    bytes: Zeroizing<Vec<u8>>,
}

impl Writer {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self { bytes: Zeroizing::new(Vec::with_capacity(capacity)) }
    }

    pub(super) fn byte(&mut self, byte: u8) -> &mut Self {
        self.raw(&[byte])
    }

    pub(super) fn number(&mut self, number: u32) -> &mut Self {
        self.align(4).raw(&number.to_le_bytes())
    }

    /// A string, or an object path.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.number(length(text.as_bytes())).raw(text.as_bytes()).byte(0)
    }

    pub(super) fn signature(&mut self, text: &str) -> &mut Self {
        let length = u8::try_from(text.len()).expect("the signatures of this program are short");
        self.byte(length).raw(text.as_bytes()).byte(0)
    }

    /// An array of bytes.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(length(bytes)).raw(bytes)
    }

    /// An array of structs or dictionary entries, which begin at multiples of eight.
    pub(super) fn array_of_eights(&mut self, elements: impl FnOnce(&mut Self)) -> &mut Self {
        self.number(0);
        let head = self.bytes.len();
        self.align(8);
        let start = self.bytes.len();
        elements(self);
        let length = length(&self.bytes[start..]);
        self.bytes[head - 4..head].copy_from_slice(&length.to_le_bytes());
        self
    }

    /// Room for everything at once where a secret is written: growing would leave a copy of it behind.
    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        if self.bytes.capacity() - self.bytes.len() < bytes.len() {
            let mut larger = Vec::with_capacity((self.bytes.len() + bytes.len()) * 2);
            larger.extend_from_slice(&self.bytes);
            self.bytes.zeroize();
            self.bytes = Zeroizing::new(larger);
        }
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub(super) fn align(&mut self, to: usize) -> &mut Self {
        let gap = self.bytes.len().next_multiple_of(to) - self.bytes.len();
        self.raw(&[0; 8][..gap])
    }

    pub(super) fn written(&self) -> &[u8] {
        &self.bytes
    }
}

fn endianness(mark: u8) -> Option<bool> {
    match mark {
        b'l' => Some(false),
        b'B' => Some(true),
        _ => None,
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("the messages of this program are short")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer as a bus sends it, made of a call: the fields that differ are set by hand.
    fn answer(kind: u8, field: &[u8], body: &[u8]) -> Vec<u8> {
        let mut message = vec![b'l', kind, 0, 1];
        message.extend((body.len() as u32).to_le_bytes());
        message.extend(9_u32.to_le_bytes());
        message.extend((field.len() as u32).to_le_bytes());
        message.extend(field);
        message.resize(message.len().next_multiple_of(8), 0);
        message.extend(body);
        message
    }

    const TO_SEVEN: [u8; 8] = [REPLY_SERIAL, 1, b'u', 0, 7, 0, 0, 0];

    #[test]
    fn a_call_is_the_bytes_of_the_specification() {
        let method = Method { destination: "a.b", path: "/p", interface: "i.f", member: "M" };
        let mut body = Writer::default();
        body.text("x");
        let message = call(2, method, "s", body.written());
        assert_eq!(message[..8], [b'l', 1, 0, 1, 6, 0, 0, 0]);
        assert_eq!(message[8..12], [2, 0, 0, 0]);
        assert_eq!(message[16..28], [1, 1, b'o', 0, 2, 0, 0, 0, b'/', b'p', 0, 0]);
        assert!(message.ends_with(&[1, 0, 0, 0, b'x', 0]));
        assert_eq!(message.len() % 8, 6, "the body begins at a multiple of eight");
        let head: [u8; HEAD] = message[..HEAD].try_into().unwrap();
        assert_eq!(rest_of(head), Some(message.len() - HEAD));
    }

    #[test]
    fn answers_and_errors_are_told_apart_by_the_call_they_belong_to() {
        let mut body = Writer::default();
        body.text("/org").number(1);
        let returned = answer(METHOD_RETURN, &TO_SEVEN, body.written());
        let Some(Incoming::Returned(7, mut reader)) = parse(Zeroizing::new(returned)) else { panic!() };
        assert_eq!((reader.text().unwrap().as_str(), reader.flag()), ("/org", Some(true)));
        assert!(reader.byte().is_none(), "nothing is read past the end");

        let mut field = TO_SEVEN.to_vec();
        field.extend([ERROR_NAME, 1, b's', 0, 3, 0, 0, 0, b'a', b'.', b'b', 0]);
        let refused = answer(ERROR, &field, &[]);
        assert!(matches!(parse(Zeroizing::new(refused)), Some(Incoming::Refused(7, name)) if name == "a.b"));
        assert!(matches!(parse(Zeroizing::new(answer(4, &[], &[]))), Some(Incoming::Other)));
    }

    #[test]
    fn no_truncation_and_no_flipped_byte_makes_a_reader_panic() {
        let mut body = Writer::default();
        body.array_of_eights(|entries| {
            entries.align(8).text("k").text("v");
        });
        let sound = answer(METHOD_RETURN, &TO_SEVEN, body.written());
        let read = |bytes: &[u8]| {
            if let Some(Incoming::Returned(_, mut reader)) = parse(Zeroizing::new(bytes.to_vec())) {
                let _ = (reader.texts(), reader.bytes(), reader.signature());
            }
        };
        for at in 0..sound.len() {
            read(&sound[..at]);
            for bit in 0..8 {
                let mut flipped = sound.clone();
                flipped[at] ^= 1 << bit;
                read(&flipped);
                if let Some(head) = flipped.first_chunk() {
                    let _ = rest_of(*head);
                }
            }
        }
        assert_eq!(rest_of([255; HEAD]), None);
        let mut long = [0; HEAD];
        long[0] = b'l';
        long[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(rest_of(long), None, "an answer too long is not waited for");
    }
}
