//! Computes the checksum of cells and rows: CRC-8 with polynomial 0x07, starting at zero, without
//! reflection and final XOR.

/// `TABLES[n][byte]` is the checksum of `byte` and `n` zero bytes after it.
static TABLES: [[u8; 256]; 8] = tables();

const fn tables() -> [[u8; 256]; 8] {
    let mut tables = [[0u8; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x80 == 0 { crc << 1 } else { (crc << 1) ^ 0x07 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut zeros = 1;
    while zeros < 8 {
        let mut byte = 0;
        while byte < 256 {
            tables[zeros][byte] = tables[0][tables[zeros - 1][byte] as usize];
            byte += 1;
        }
        zeros += 1;
    }
    tables
}

/// Returns the checksum `crc` continued by one byte.
#[inline]
pub(super) fn byte(crc: u8, byte: u8) -> u8 {
    TABLES[0][usize::from(crc ^ byte)]
}

/// Returns the checksum `crc` continued by these bytes, eight at a step.
#[inline]
pub(super) fn bytes(mut crc: u8, bytes: &[u8]) -> u8 {
    let (eights, rest) = bytes.as_chunks::<8>();
    for &[a, b, c, d, e, f, g, h] in eights {
        crc = TABLES[7][usize::from(crc ^ a)]
            ^ TABLES[6][usize::from(b)]
            ^ TABLES[5][usize::from(c)]
            ^ TABLES[4][usize::from(d)]
            ^ TABLES[3][usize::from(e)]
            ^ TABLES[2][usize::from(f)]
            ^ TABLES[1][usize::from(g)]
            ^ TABLES[0][usize::from(h)];
    }
    rest.iter().fold(crc, |crc, &rest| byte(crc, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value() {
        assert_eq!(bytes(0, b"123456789"), 0xf4);
    }

    #[test]
    fn eight_bytes_at_a_step_are_eight_steps() {
        let all: Vec<u8> = (0..=255).cycle().step_by(7).take(300).collect();
        for end in 0..all.len() {
            assert_eq!(
                bytes(3, &all[..end]),
                all[..end].iter().fold(3, |crc, &next| byte(crc, next)),
                "{end}"
            );
        }
    }
}
