// Package qrtest reads QR codes off pictures with a reader that is not ours, so
// that a test looks at what was drawn as a phone would.
package qrtest

import (
	"image"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

// Read reads the one symbol of a picture, and says how often it looked. One that
// is missed is turned by a quarter and looked at again, up to four times, as a
// person turns a card: the reader takes something among the data for a finder
// pattern now and then.
func Read(picture image.Image) (text string, looks int, err error) {
	bitmap, err := gozxing.NewBinaryBitmapFromImage(picture)
	for looks = 1; err == nil; looks++ {
		result, missed := qrcode.NewQRCodeReader().Decode(bitmap, nil)
		if missed == nil {
			return result.GetText(), looks, nil
		}
		if looks == 4 {
			return "", looks, missed
		}
		bitmap, err = bitmap.RotateCounterClockwise()
	}
	return "", looks, err
}
