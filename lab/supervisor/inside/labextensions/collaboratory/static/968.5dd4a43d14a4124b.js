"use strict";(self.rspackChunkcollaboratory=self.rspackChunkcollaboratory||[]).push([[968],{27(o,r,e){var t=e(28),a=e.n(t),n=e(29),c=(e.n(n))()(a());c.push([o.id,`.collaboratory-RoomStatus {
  display: flex;
  align-items: center;
  gap: 4px;
  white-space: nowrap;
}

.collaboratory-RoomStatus.lm-mod-hidden {
  display: none;
}

.collaboratory-RoomStatus[data-state="offline"],
.collaboratory-RoomStatus[data-state="over"] {
  background: var(--jp-warn-color0);
  color: var(--jp-ui-inverse-font-color0);
  padding: 0 6px;
}

.collaboratory-TopItem {
  display: flex;
  align-items: center;
  gap: 4px;
  padding: 0 8px;
  color: var(--jp-ui-font-color1);
  font-size: var(--jp-ui-font-size1);
  white-space: nowrap;
}

.collaboratory-TopItem.lm-mod-hidden {
  display: none;
}

.collaboratory-TopItem a {
  color: var(--jp-content-link-color);
}

.collaboratory-Person {
  width: 8px;
  height: 8px;
  border-radius: 50%;
  background: var(--collaboratory-person, var(--jp-ui-font-color2));
}

.collaboratory-CellRunner {
  margin-left: calc(var(--jp-cell-prompt-width) + 2 * var(--jp-cell-padding));
  padding: 2px 8px;
  border-left: 3px solid var(--collaboratory-person, var(--jp-border-color1));
  color: var(--jp-ui-font-color2);
  font-size: var(--jp-ui-font-size1);
}

.collaboratory-nearly-full {
  color: var(--jp-warn-color0);
  font-weight: bold;
}

.collaboratory-Plotly {
  width: 100%;
  overflow: hidden;
}
`,""]),e.d(r,{},{A:c})},29(o){o.exports=function(o){var r=[];return r.toString=function(){return this.map(function(r){var e="",t=void 0!==r[5];return r[4]&&(e+="@supports (".concat(r[4],") {")),r[2]&&(e+="@media ".concat(r[2]," {")),t&&(e+="@layer".concat(r[5].length>0?" ".concat(r[5]):""," {")),e+=o(r),t&&(e+="}"),r[2]&&(e+="}"),r[4]&&(e+="}"),e}).join("")},r.i=function(o,e,t,a,n){"string"==typeof o&&(o=[[null,o,void 0]]);var c={};if(t)for(var l=0;l<this.length;l++){var i=this[l][0];null!=i&&(c[i]=!0)}for(var s=0;s<o.length;s++){var p=[].concat(o[s]);t&&c[p[0]]||(void 0!==n&&(void 0===p[5]||(p[1]="@layer".concat(p[5].length>0?" ".concat(p[5]):""," {").concat(p[1],"}")),p[5]=n),e&&(p[2]&&(p[1]="@media ".concat(p[2]," {").concat(p[1],"}")),p[2]=e),a&&(p[4]?(p[1]="@supports (".concat(p[4],") {").concat(p[1],"}"),p[4]=a):p[4]="".concat(a)),r.push(p))}},r}},28(o){o.exports=function(o){return o[1]}},21(o){var r=[];function e(o){for(var e=-1,t=0;t<r.length;t++)if(r[t].identifier===o){e=t;break}return e}function t(o,t){for(var a={},n=[],c=0;c<o.length;c++){var l=o[c],i=t.base?l[0]+t.base:l[0],s=a[i]||0,p="".concat(i," ").concat(s);a[i]=s+1;var u=e(p),d={css:l[1],media:l[2],sourceMap:l[3],supports:l[4],layer:l[5]};if(-1!==u)r[u].references++,r[u].updater(d);else{var f=function(o,r){var e=r.domAPI(r);return e.update(o),function(r){r?(r.css!==o.css||r.media!==o.media||r.sourceMap!==o.sourceMap||r.supports!==o.supports||r.layer!==o.layer)&&e.update(o=r):e.remove()}}(d,t);t.byIndex=c,r.splice(c,0,{identifier:p,updater:f,references:1})}n.push(p)}return n}o.exports=function(o,a){var n=t(o=o||[],a=a||{});return function(o){o=o||[];for(var c=0;c<n.length;c++){var l=e(n[c]);r[l].references--}for(var i=t(o,a),s=0;s<n.length;s++){var p=e(n[s]);0===r[p].references&&(r[p].updater(),r.splice(p,1))}n=i}}},23(o){var r={};o.exports=function(o,e){var t=function(o){if(void 0===r[o]){var e=document.querySelector(o);if(window.HTMLIFrameElement&&e instanceof window.HTMLIFrameElement)try{e=e.contentDocument.head}catch(o){e=null}r[o]=e}return r[o]}(o);if(!t)throw Error("Couldn't find a style target. This probably means that the value for the 'insert' parameter is invalid.");t.appendChild(e)}},25(o){o.exports=function(o){var r=document.createElement("style");return o.setAttributes(r,o.attributes),o.insert(r,o.options),r}},24(o,r,e){o.exports=function(o){var r=e.nc;r&&o.setAttribute("nonce",r)}},22(o){o.exports=function(o){if("u"<typeof document)return{update:function(){},remove:function(){}};var r=o.insertStyleElement(o);return{update:function(e){var t,a,n;t="",e.supports&&(t+="@supports (".concat(e.supports,") {")),e.media&&(t+="@media ".concat(e.media," {")),(a=void 0!==e.layer)&&(t+="@layer".concat(e.layer.length>0?" ".concat(e.layer):""," {")),t+=e.css,a&&(t+="}"),e.media&&(t+="}"),e.supports&&(t+="}"),(n=e.sourceMap)&&"u">typeof btoa&&(t+="\n/*# sourceMappingURL=data:application/json;base64,".concat(btoa(unescape(encodeURIComponent(JSON.stringify(n))))," */")),o.styleTagTransform(t,r,o.options)},remove:function(){var o;null===(o=r).parentNode||o.parentNode.removeChild(o)}}}},26(o){o.exports=function(o,r){if(r.styleSheet)r.styleSheet.cssText=o;else{for(;r.firstChild;)r.removeChild(r.firstChild);r.appendChild(document.createTextNode(o))}}},20(o,r,e){var t=e(21),a=e.n(t),n=e(22),c=e.n(n),l=e(23),i=e.n(l),s=e(24),p=e.n(s),u=e(25),d=e.n(u),f=e(26),v=e.n(f),m=e(27),y={};y.styleTagTransform=v(),y.setAttributes=p(),y.insert=i().bind(null,"head"),y.domAPI=c(),y.insertStyleElement=d(),a()(m.A,y),m.A&&m.A.locals&&m.A.locals}}]);