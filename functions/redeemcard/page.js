(function () {
  'use strict';
  var root = document.documentElement;
  root.className = 'js';

  // WeChat keeps pages in its back-forward cache: a button that was pressed
  // must work again.
  window.addEventListener('pageshow', function () {
    var button = document.getElementById('submit');
    if (button && button.getAttribute('aria-disabled')) {
      button.removeAttribute('aria-disabled');
      button.textContent = button.dataset.label;
    }
  });

  document.addEventListener('DOMContentLoaded', function () {
    var form = document.getElementById('redeem');
    if (form) prepare(form);
    var challenge = document.getElementById('challenge');
    if (challenge) work(challenge);
    var stage = document.getElementById('stage');
    if (stage) {
      try { play(stage); } finally { stage.parentNode.classList.add('ready'); }
    }
  });

  function play(stage) {
    if (stage.hasAttribute('data-open') || stage.dataset.form === 'plain') opened(stage, true);
    else if (stage.dataset.form === 'reveal') lid(stage);
    else scratch(stage);
  }

  function prepare(form) {
    var button = document.getElementById('submit');
    form.addEventListener('submit', function (event) {
      if (button.getAttribute('aria-disabled')) { event.preventDefault(); return; }
      button.dataset.label = button.textContent;
      button.textContent = button.dataset.wait;
      button.setAttribute('aria-disabled', 'true');
    });
    // The keyboard of iOS leaves WeChat's page shifted.
    form.addEventListener('focusout', function () {
      setTimeout(function () { window.scrollTo(0, Math.max(root.scrollTop, document.body.scrollTop)); }, 80);
    });
  }

  // work answers the challenge to a typed code: numbers are tried until the
  // SHA-256 begins with enough zero bits. The page goes on by itself after a
  // minute where this cannot be done, or takes as long.
  function work(challenge) {
    var subtle = window.crypto && window.crypto.subtle;
    if (!subtle || !window.TextEncoder) return;
    var letters = new TextEncoder(), zeros = Number(challenge.dataset.zeros), number = 0;
    function attempt() {
      var answer = challenge.dataset.challenge + '.' + number++;
      return subtle.digest('SHA-256', letters.encode(answer)).then(function (sum) {
        return new DataView(sum).getUint32(0) >>> (32 - zeros) ? '' : answer;
      });
    }
    (function next() {
      var attempts = [];
      while (attempts.length < 512) attempts.push(attempt());
      Promise.all(attempts).then(function (answers) {
        var right = answers.filter(Boolean)[0];
        if (right) location.replace('?lang=' + root.lang + '&challenge=' + right); else next();
      });
    })();
  }

  var outcome; // the heading that goes with the prize

  // opened tells everybody what is in the stage, by sight or by ear.
  function opened(stage, quietly) {
    var prize = document.getElementById('prize');
    prize.removeAttribute('aria-hidden');
    document.getElementById('controls').hidden = true;
    document.getElementById('after').hidden = false;
    var title = document.getElementById('title');
    if (outcome) title.textContent = outcome;
    document.getElementById('announce').textContent = title.textContent + ': ' + prize.textContent.replace(/\s+/g, ' ').trim();
    if (!quietly) title.focus({ preventScroll: true });
  }

  // closed hides the prize from ears while the layer hides it from eyes.
  function closed(stage) {
    var title = document.getElementById('title');
    outcome = title.textContent;
    title.textContent = stage.dataset.headline;
    document.getElementById('prize').setAttribute('aria-hidden', 'true');
    document.getElementById('after').hidden = true;
    document.getElementById('controls').hidden = false;
  }

  function lid(stage) {
    var button = document.getElementById('show');
    var label = button.textContent;
    button.hidden = true;
    var cover = document.createElement('button');
    cover.type = 'button';
    cover.className = 'lid';
    cover.id = 'lid';
    cover.innerHTML = '<svg viewBox="0 0 48 48" aria-hidden="true"><path d="M8 20h32v22H8zM6 13h36v7H6zM24 13v29M24 13c-9 0-12-9-6-9 4 0 6 5 6 9zM24 13c9 0 12-9 6-9-4 0-6 5-6 9z"/></svg>';
    cover.appendChild(document.createTextNode(label));
    cover.addEventListener('click', function () {
      cover.classList.add('gone');
      cover.tabIndex = -1;
      cover.setAttribute('aria-hidden', 'true');
      opened(stage);
    });
    stage.appendChild(cover);
    closed(stage);
  }

  function scratch(stage) {
    var canvas = document.createElement('canvas');
    var pen = canvas.getContext('2d', { willReadFrequently: true });
    if (!pen) { opened(stage, true); return; }
    canvas.className = 'cover';
    canvas.id = 'cover';
    canvas.setAttribute('aria-hidden', 'true');
    stage.appendChild(canvas);
    closed(stage);

    var scale = Math.min(window.devicePixelRatio || 1, 3);
    var width = stage.clientWidth, height = stage.clientHeight;
    canvas.width = width * scale;
    canvas.height = height * scale;
    pen.scale(scale, scale);
    paint();

    function paint() {
      var foil = pen.createLinearGradient(0, 0, width, height);
      [[0, '#c9c4c1'], [0.3, '#e9e6e4'], [0.5, '#cdc8c5'], [0.75, '#f0eeec'], [1, '#bdb7b3']].forEach(function (stop) {
        foil.addColorStop(stop[0], stop[1]);
      });
      pen.fillStyle = foil;
      pen.fillRect(0, 0, width, height);
      pen.strokeStyle = 'rgba(255,255,255,.35)';
      pen.lineWidth = 1;
      for (var x = -height; x < width; x += 9) {
        pen.beginPath();
        pen.moveTo(x, height);
        pen.lineTo(x + height, 0);
        pen.stroke();
      }
      pen.fillStyle = '#6a615c';
      pen.font = '600 22px ' + getComputedStyle(document.body).fontFamily;
      pen.textAlign = 'center';
      pen.textBaseline = 'middle';
      pen.fillText(stage.dataset.cover, width / 2, height / 2);
      pen.globalCompositeOperation = 'destination-out';
      pen.strokeStyle = '#000';
      pen.lineCap = pen.lineJoin = 'round';
      pen.lineWidth = 44;
    }

    var last = null, moves = 0, done = false;
    function at(event) {
      var box = canvas.getBoundingClientRect();
      var point = event.touches ? event.touches[0] : event;
      return { x: point.clientX - box.left, y: point.clientY - box.top };
    }
    function down(event) { if (!done) { last = at(event); rub(event); } }
    function rub(event) {
      if (!last || done) return;
      if (event.cancelable) event.preventDefault();
      var now = at(event);
      pen.beginPath();
      pen.moveTo(last.x, last.y);
      pen.lineTo(now.x, now.y + 0.01);
      pen.stroke();
      last = now;
      // Old X5 kernels of WeChat show what was erased at the next layout only.
      canvas.style.opacity = moves % 2 ? '1' : '0.999';
      if (++moves % 8 === 0 && cleared() > 0.45) finish();
    }
    function up() { last = null; if (!done && cleared() > 0.45) finish(); }

    function cleared() {
      var pixels = pen.getImageData(0, 0, canvas.width, canvas.height).data;
      var step = 4 * 97, seen = 0, clear = 0; // a prime, so that the samples do not form columns
      for (var i = 3; i < pixels.length; i += step) { seen++; if (pixels[i] < 128) clear++; }
      return clear / seen;
    }
    function finish() {
      if (done) return;
      done = true;
      canvas.style.opacity = '';
      canvas.classList.add('gone');
      opened(stage);
    }

    // Some iPhones lose touchmove on a canvas in WeCom, so the stage listens.
    if (window.PointerEvent) {
      stage.addEventListener('pointerdown', down);
      stage.addEventListener('pointermove', rub);
      window.addEventListener('pointerup', up);
      window.addEventListener('pointercancel', up);
    }
    stage.addEventListener('touchstart', down, { passive: false });
    stage.addEventListener('touchmove', rub, { passive: false });
    window.addEventListener('touchend', up);
    document.getElementById('show').addEventListener('click', finish);
  }
})();
